import { describe, expect, it } from 'vitest';
import { linksGiven } from '../../../src/planner/links.ts';
import { describeFindings, researchQuery } from '../../../src/planner/research.ts';
import { pollResearch, submitResearch } from '../../../src/model/research-client.ts';

describe('researchQuery', () => {
  it.each([
    'Research the best e-bikes under 2000 euros and propose tasks.',
    'Recherchiere aktuelle Förderungen für Solaranlagen.',
    'Bitte im Internet nachsehen, was neu ist.',
    'Search the web for hiking trails.',
    'Every week do research on heat pumps.',
    'Plan no more than two tasks. Research notes apps first.',
  ])('is the objective where it asks for research: %s', (objective) => {
    expect(researchQuery(objective)).toBe(objective);
  });

  it.each([
    'Plan my week.',
    'Summarise the news in my notes.',
    'Plane meine Aufgaben.',
    'Keep my research project on course.',
    'Sort the notes; no research, please. Do not research anything.',
    'Erinnere mich an meine Recherche, ohne Recherche im Netz.',
    '',
    'enc:2:1:research',
  ])('is none for: %s', (objective) => {
    expect(researchQuery(objective)).toBeNull();
  });

  it('is found out at once, whatever the text', () => {
    const startedMs = performance.now();
    researchQuery(`${' '.repeat(10_000)}${'my   '.repeat(2_000)}`);
    expect(performance.now() - startedMs).toBeLessThan(1_000);
  });

  it('is bounded', () => {
    expect(researchQuery(`Research this. ${'x'.repeat(100_000)}`)?.length).toBeLessThanOrEqual(
      2_000,
    );
  });
});

function citation(url: string) {
  return { title: 'T', url, snippet: '' };
}

describe('findings', () => {
  it('show addresses of the web alone', () => {
    const text = describeFindings({
      answer: 'Yes.',
      citations: ['javascript:alert(1)', 'https://a.example/'].map(citation),
    });
    expect(text).toBe('Yes.\n\nSources:\n- T: https://a.example/');
  });

  it('give links that a step may have, like the mission and its inputs', () => {
    const research = {
      answer: 'See https://r.example/1.',
      citations: [citation('https://c.example/2')],
    };
    const mission = { title: '', objective: 'Read https://m.example/3', conceptMarkdown: '' };
    const inputs = [{ module: 'notes', title: '', text: 'https://i.example/4', id: 'i' }];
    expect(linksGiven({ mission, inputs, research })).toEqual({
      mission: ['//m.example/3'],
      records: { i: ['//i.example/4'] },
      research: expect.arrayContaining(['//c.example/2', '//r.example/1']) as string[],
    });
  });
});

type Sent = { url: string; init: RequestInit };

function endpointThat(status: number, body: unknown, sent: Sent[] = []) {
  return {
    baseUrl: 'http://research.example/base/',
    serviceKey: 'key',
    userId: 'user',
    fetch: async (url: string, init: RequestInit) => {
      sent.push({ url, init });
      return new Response(typeof body === 'string' ? body : JSON.stringify(body), { status });
    },
  };
}

async function poll(body: unknown) {
  return pollResearch(endpointThat(200, body), 't');
}

describe('the research client', () => {
  it('submits with the headers of a service and the query alone', async () => {
    const sent: Sent[] = [];
    const endpoint = endpointThat(
      200,
      { taskId: 't/1', status: 'queued', providerId: 'p', costCredits: 3 },
      sent,
    );
    expect(await submitResearch(endpoint, 'e-bikes')).toEqual({
      ok: true,
      taskId: 't/1',
      providerId: 'p',
    });
    expect(sent[0]?.url).toBe('http://research.example/base/api/v1/internal/research/async');
    expect(sent[0]?.init).toMatchObject({
      method: 'POST',
      redirect: 'manual',
      body: '{"query":"e-bikes","provider":"gemini-deep-research"}',
      headers: { 'x-service-key': 'key', 'x-user-id': 'user', 'x-app-id': 'mana-ai' },
    });
  });

  it('reads every state of a job', async () => {
    expect(await poll({ status: 'queued' })).toEqual({ ok: true, state: 'pending' });
    expect(await poll({ status: 'running' })).toEqual({ ok: true, state: 'pending' });
    expect(await poll({ status: 'failed', error: 'x' })).toEqual({ ok: true, state: 'failed' });
    expect(await poll({ status: 'cancelled' })).toEqual({ ok: true, state: 'failed' });
    expect(await poll({ status: 'completed', result: { answer: { answer: ' ' } } })).toEqual({
      ok: true,
      state: 'failed',
    });
    const answer = {
      answer: 'Found.',
      citations: [{ title: 'T', url: 'https://x.example' }, 'broken'],
    };
    expect(await poll({ status: 'completed', result: { answer } })).toEqual({
      ok: true,
      state: 'completed',
      findings: {
        answer: 'Found.',
        citations: [{ title: 'T', url: 'https://x.example', snippet: '' }],
      },
    });
  });

  it('asks for a job by its escaped id', async () => {
    const sent: Sent[] = [];
    await pollResearch(endpointThat(200, { status: 'queued' }, sent), '../t');
    expect(sent[0]?.url).toBe('http://research.example/base/api/v1/internal/research/async/..%2Ft');
  });

  it.each([
    [401, {}, 'refused', false],
    [402, {}, 'refused', false],
    [404, {}, 'not-found', false],
    [429, {}, 'rate-limited', true],
    [503, 'busy', 'server-error', true],
    [302, '', 'bad-answer', true],
    [200, '<html>', 'bad-answer', true],
    [200, [], 'bad-answer', true],
    [200, { status: 'dancing' }, 'bad-answer', true],
  ])('tells %i %j apart as %s', async (status, body, kind, passing) => {
    const polled = await pollResearch(endpointThat(status, body), 't');
    expect(polled).toMatchObject({ ok: false, error: { kind, passing } });
  });

  it('reads no more of an answer than any honest one has', async () => {
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 1;
        controller.enqueue(new Uint8Array(100_000).fill(120));
        if (sent === 1_000) controller.close();
      },
    });
    const endpoint = { ...endpointThat(200, {}), fetch: async () => new Response(endless) };
    expect(await pollResearch(endpoint, 't')).toMatchObject({
      ok: false,
      error: { kind: 'bad-answer' },
    });
    expect(sent).toBeLessThan(30);
  });

  it('never throws', async () => {
    const broken = {
      ...endpointThat(200, {}),
      fetch: async () => Promise.reject(new Error('ECONNREFUSED')),
    };
    expect(await submitResearch(broken, 'q')).toMatchObject({
      ok: false,
      error: { kind: 'unreachable' },
    });
  });
});
