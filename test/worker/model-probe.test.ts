import { env } from 'cloudflare:workers';
import { reset, runInDurableObject } from 'cloudflare:test';
import { afterEach, describe, expect, it } from 'vitest';
import { ModelProbe } from '../../durable-objects/admission/model-probe.ts';
import type { LlmSettings } from '../../durable-objects/settings.ts';
import type { WorkerEnv } from '../../src/mana-ai/index.ts';
import { llmError } from '../../src/model/llm-error.ts';
import type { ProbeResult } from '../../src/model/probe.ts';

const bindings = env as unknown as WorkerEnv;

const T0 = 1_800_000_000_000;
const DAY = 24 * 3_600_000;

const REMOTE: LlmSettings = {
  baseUrl: 'https://models.example/v1',
  model: 'big',
  apiKey: 'secret',
  maxConcurrency: 4,
  timeoutMs: 1_000,
  maxTokens: 2_048,
  maxTools: 64,
  locality: 'remote',
};
const LOCAL: LlmSettings = { ...REMOTE, baseUrl: 'http://127.0.0.1:11434/v1', locality: 'local' };

const NATIVE: ProbeResult = { ok: true, tools: 'native', isOllama: false };
const NONE: ProbeResult = { ok: true, tools: 'none', isOllama: false };
const AWAY: ProbeResult = { ok: false, error: llmError('unreachable') };

afterEach(() => reset());

/** Starts one process after the other over the same storage; answers what was asked of the server, and what is known then. */
async function starts(
  settings: LlmSettings,
  processes: {
    answer: ProbeResult;
    passedOn?: boolean;
    nowMs?: number;
    changes?: Partial<LlmSettings>;
    learn?: 'native' | 'text';
  }[],
) {
  const stub = bindings.DISPATCHER.getByName(crypto.randomUUID());
  return runInDurableObject(stub, async (_instance, state) => {
    const seen = [];
    for (const { answer, passedOn = false, nowMs = T0, changes = {}, learn } of processes) {
      const asked: string[] = [];
      const probe = new ModelProbe(
        state.storage.sql,
        { ...settings, ...changes },
        {
          probeModel: async () => {
            asked.push('probe');
            return answer;
          },
          isPassedOn: async () => {
            asked.push('show');
            return passedOn;
          },
        },
      );
      await Promise.all([probe.ask(nowMs), probe.ask(nowMs)]);
      if (learn !== undefined) probe.learn(learn);
      seen.push({ asked, ...probe.facts() });
    }
    return seen;
  });
}

describe('the probe of the model', () => {
  it('is made once per start, and never again where the answer is known', async () => {
    const [first, second] = await starts(REMOTE, [
      { answer: NATIVE },
      { answer: NONE, nowMs: T0 + 365 * DAY },
    ]);
    expect(first).toEqual({ asked: ['probe'], tools: 'native', passedOn: false });
    expect(second).toEqual({ asked: [], tools: 'native', passedOn: false });
  });

  it('of a remote model that could not be judged is paid for once a day, however often the process starts', async () => {
    const seen = await starts(REMOTE, [
      { answer: AWAY },
      { answer: NATIVE, nowMs: T0 + DAY - 1 },
      { answer: NONE, nowMs: T0 + DAY },
      { answer: NATIVE, nowMs: T0 + 2 * DAY - 1 },
    ]);
    expect(seen.map(({ asked }) => asked.length)).toEqual([1, 0, 1, 0]);
    expect(seen.map(({ tools }) => tools)).toEqual([null, null, 'none', 'none']);
  });

  it('of a local model that calls no tools is made at each start: it may be another one by now', async () => {
    const seen = await starts(LOCAL, [{ answer: NONE }, { answer: NATIVE }]);
    expect(seen.map(({ tools }) => tools)).toEqual(['none', 'native']);
  });

  it('says nothing of another model or URL', async () => {
    const [, other, elsewhere] = await starts(REMOTE, [
      { answer: NATIVE },
      { answer: AWAY, changes: { model: 'other' } },
      { answer: AWAY, changes: { baseUrl: 'https://elsewhere.example/v1' } },
    ]);
    expect(other?.tools).toBeNull();
    expect(elsewhere?.tools).toBeNull();
  });

  it('is not needed where a run has shown the answer; better news count', async () => {
    const seen = await starts(REMOTE, [
      { answer: AWAY, learn: 'text' },
      { answer: AWAY, learn: 'native' },
      { answer: AWAY, learn: 'text' },
    ]);
    expect(seen.map(({ tools }) => tools)).toEqual(['text', 'native', 'native']);
    expect(seen.map(({ asked }) => asked.length)).toEqual([1, 0, 0]);
  });

  it('asks a local Ollama at each start whether it passes the model on, and nobody else', async () => {
    const [first, second] = await starts(LOCAL, [
      { answer: NATIVE, passedOn: true },
      { answer: NATIVE, passedOn: false },
    ]);
    expect(first).toEqual({ asked: ['show', 'probe'], tools: 'native', passedOn: true });
    expect(second).toEqual({ asked: ['show'], tools: 'native', passedOn: false });
    const elsewhere = { ...LOCAL, baseUrl: 'http://127.0.0.1:9999/v1' };
    const [stranger, known] = await starts(elsewhere, [
      { answer: { ...NATIVE, isOllama: true } },
      { answer: NATIVE },
    ]);
    expect(stranger?.asked).toEqual(['probe', 'show']);
    expect(known?.asked).toEqual(['show']);
  });
});
