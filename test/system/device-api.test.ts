import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { OwnerMission } from '../../src/missions/views.ts';
import { dueMission, runnerRows, writeRecord } from './support/device.ts';
import { readEvents } from './support/event-reader.ts';
import { waitFor } from './support/runner.ts';
import { useStage } from './support/stage.ts';

const stage = useStage();
const { runner } = stage;

type Answer = { status: number; mission: OwnerMission; code?: string; error?: string };
type Step = { id: string; digest: string; status: string };

async function ask(
  userId: string,
  method: string,
  path: string,
  body?: unknown,
  key?: string,
): Promise<Answer> {
  const response = await runner.asUser(userId, `/api/v1/me/missions${path}`, {
    method,
    headers: {
      'content-type': 'application/json',
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    ...(text === '' ? {} : (JSON.parse(text) as object)),
  } as Answer;
}

async function missionsOf(userId: string): Promise<OwnerMission[]> {
  const response = await runner.asUser(userId, '/api/v1/me/missions');
  return (await response.json<{ missions: OwnerMission[] }>()).missions;
}

async function rowsOf(userId: string): Promise<Record<string, unknown>[]> {
  return stage.postgres.query(
    `select op, record_id, client_id, origin, actor, data, field_meta from sync_changes
     where user_id = $1 and client_id = 'mana-edge-api' order by created_at`,
    [userId],
  );
}

async function plannedSteps(
  userId: string,
  missionId: string,
): Promise<{ iterationId: string; steps: Step[] }> {
  return waitFor(async () => {
    const mission = (await missionsOf(userId)).find(({ id }) => id === missionId);
    const iteration = mission?.iterations[0] as { id: string; plan: Step[] } | undefined;
    return iteration === undefined
      ? undefined
      : { iterationId: iteration.id, steps: iteration.plan };
  }, 'an iteration');
}

const NEW = { title: 'Groceries', objective: 'Plan what to buy.' };

describe('the zone of a person', () => {
  it('that a request tells stands in what the API writes, and counts for what the app wrote without one', async () => {
    const userId = randomUUID();
    const daily = { kind: 'daily', atHour: 9, atMinute: 0 };
    const inZone = async (method: string, path: string, body?: unknown): Promise<Response> =>
      runner.asUser(userId, `/api/v1/me/missions${path}`, {
        method,
        headers: { 'content-type': 'application/json', 'x-time-zone': 'Pacific/Auckland' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    const created = await inZone('POST', '', { ...NEW, cadence: daily });
    const { mission } = await created.json<{ mission: OwnerMission }>();
    expect(mission.cadence).toEqual({ ...daily, timeZone: 'Pacific/Auckland' });
    expect(hourIn('Pacific/Auckland', mission.nextRunAt)).toBe(9);
    // The app's own cadence has no zone.
    await writeRecord(stage.postgres, {
      userId,
      recordId: 'from-the-app',
      data: { ...dueMission(), objective: 'Plan what to buy.', cadence: daily },
    });
    const next = await waitFor(async () => {
      const found = (await missionsOf(userId)).find(({ id }) => id === 'from-the-app');
      return found?.iterations.length === 1 ? found.nextRunAt : undefined;
    }, 'its run');
    expect(hourIn('Pacific/Auckland', next)).toBe(9);
    const refused = await runner.asUser(userId, '/api/v1/me/missions', {
      headers: { 'x-time-zone': 'Mars/Olympus' },
    });
    expect([refused.status, (await refused.json<{ code: string }>()).code]).toEqual([
      400,
      'BAD_REQUEST',
    ]);
  });
});

function hourIn(timeZone: string, iso: string | null): number {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', hourCycle: 'h23' });
  return Number(format.format(new Date(iso ?? Number.NaN)));
}

describe('a person without the web app', () => {
  it('creates a mission, runs it, approves a step, pauses, resumes and deletes it', async () => {
    const userId = randomUUID();
    const created = await ask(userId, 'POST', '', {
      ...NEW,
      cadence: { kind: 'daily', atHour: 9, atMinute: 0 },
    });
    expect(created).toMatchObject({
      status: 201,
      mission: { title: 'Groceries', state: 'active', status: 'scheduled' },
    });
    const { id } = created.mission;
    expect((await ask(userId, 'POST', `/${id}/run`)).status).toBe(202);
    const { iterationId, steps } = await plannedSteps(userId, id);
    const decisions = steps.map(({ id: stepId, digest }) => ({
      stepId,
      digest,
      decision: 'approve',
    }));
    const reviewed = await ask(userId, 'POST', `/${id}/iterations/${iterationId}/review`, {
      decisions,
      feedback: 'Good.',
    });
    expect(reviewed.mission.iterations).toMatchObject([
      { overallStatus: 'approved', userFeedback: 'Good.', plan: [{ status: 'approved' }] },
    ]);
    expect((await ask(userId, 'POST', `/${id}/pause`)).mission.state).toBe('paused');
    expect(await ask(userId, 'POST', `/${id}/run`)).toMatchObject({
      status: 409,
      code: 'MISSION_NOT_ACTIVE',
    });
    expect((await ask(userId, 'POST', `/${id}/resume`)).mission).toMatchObject({
      state: 'active',
      status: 'scheduled',
    });
    expect((await ask(userId, 'PATCH', `/${id}`, { title: 'Food' })).mission.title).toBe('Food');
    expect((await ask(userId, 'DELETE', `/${id}`)).status).toBe(204);
    expect(await missionsOf(userId)).toEqual([]);
    expect(await ask(userId, 'DELETE', `/${id}`)).toMatchObject({
      status: 404,
      code: 'MISSION_NOT_FOUND',
    });
    const rows = await rowsOf(userId);
    expect(rows.map(({ op }) => op)).toEqual([
      'insert',
      'update',
      'update',
      'update',
      'update',
      'update',
      'delete',
    ]);
    for (const row of rows) {
      expect(row).toMatchObject({
        record_id: id,
        origin: 'user',
        actor: { kind: 'user', principalId: userId },
      });
      const stamps = Object.values(row['field_meta'] as Record<string, unknown>);
      expect(stamps.every((stamp) => typeof stamp === 'string')).toBe(true);
    }
    // Exactly one run: neither the review nor the pause made it due again.
    expect(await runnerRows(stage.postgres, userId, id)).toHaveLength(1);
  });

  it('does a repeated request once, also when everything comes at once', async () => {
    const userId = randomUUID();
    const key = randomUUID();
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => ask(userId, 'POST', '', NEW, key)),
    );
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      200, 200, 200, 200, 200, 201,
    ]);
    expect(new Set(answers.map(({ mission }) => mission.id)).size).toBe(1);
    const id = answers[0]?.mission.id ?? '';
    const remove = randomUUID();
    expect((await ask(userId, 'DELETE', `/${id}`, undefined, remove)).status).toBe(204);
    expect((await ask(userId, 'DELETE', `/${id}`, undefined, remove)).status).toBe(204);
    expect(await rowsOf(userId)).toHaveLength(2);
  });

  it('keeps ciphertext as it came, under an id of the caller', async () => {
    const userId = randomUUID();
    const sealed = `enc:2:1:${'A'.repeat(16)}.${'B'.repeat(40)}`;
    const created = await ask(userId, 'POST', '', {
      id: 'mine/1',
      title: sealed,
      objective: sealed,
    });
    expect(created).toMatchObject({
      status: 201,
      mission: { id: 'mine/1', title: sealed, objective: sealed },
    });
    expect(await ask(userId, 'POST', '', { id: 'mine/1', objective: 'Other' })).toMatchObject({
      status: 409,
      code: 'MISSION_EXISTS',
    });
    expect((await ask(userId, 'PATCH', '/mine%2F1', { title: 'Open' })).mission.title).toBe('Open');
  });

  it('hears of a step that changed since: 409, and nothing is written', async () => {
    const userId = randomUUID();
    await writeRecord(stage.postgres, { userId, recordId: 'm', data: dueMission() });
    const { iterationId, steps } = await plannedSteps(userId, 'm');
    const [mission] = await missionsOf(userId);
    const [iteration] = (mission?.iterations ?? []) as { plan: Step[] }[];
    const plan = iteration?.plan.map((step) => ({ ...step, summary: 'Buy a car' }));
    await writeRecord(stage.postgres, {
      userId,
      recordId: 'm',
      op: 'update',
      data: { iterations: [{ ...iteration, plan }] },
    });
    const decisions = steps.map(({ id: stepId, digest }) => ({
      stepId,
      digest,
      decision: 'approve',
    }));
    const path = `/m/iterations/${iterationId}/review`;
    expect(await ask(userId, 'POST', path, { decisions })).toMatchObject({
      status: 409,
      code: 'STEP_CHANGED',
    });
    expect(await rowsOf(userId)).toEqual([]);
  });

  it.each([
    [{ ...NEW, cadence: { kind: 'daily', atHour: 24, atMinute: 0 } }, 'cadence.atHour'],
    [{ ...NEW, cadence: { kind: 'cron', expression: '* * * * * *' } }, 'cadence.expression'],
    [
      { ...NEW, cadence: { kind: 'daily', atHour: 1, atMinute: 0, timeZone: 'Mars/Base' } },
      'cadence.timeZone',
    ],
    [{ ...NEW, title: 'enc:1:old' }, 'title'],
    [{ title: 'No objective' }, 'objective'],
    [{ ...NEW, nextRunAt: 'tomorrow' }, 'nextRunAt'],
    [{ ...NEW, inputs: [{ module: 'notes', table: 'notes' }] }, 'inputs.0.id'],
    [{ ...NEW, colour: 'red' }, 'colour'],
  ])('is told which field is wrong: %j', async (body, field) => {
    const answer = await ask(randomUUID(), 'POST', '', body);
    expect(answer).toMatchObject({ status: 400, code: 'BAD_REQUEST' });
    expect(answer.error).toContain(field);
  });

  it('reaches no mission of another person', async () => {
    const [owner, other] = [randomUUID(), randomUUID()];
    const { mission } = await ask(owner, 'POST', '', NEW);
    for (const [method, path, body] of [
      ['PATCH', '', { title: 'Mine' }],
      ['POST', '/run', undefined],
      ['DELETE', '', undefined],
    ] as const) {
      expect(await ask(other, method, `/${mission.id}${path}`, body)).toMatchObject({
        status: 404,
      });
    }
    expect(await missionsOf(owner)).toMatchObject([{ title: 'Groceries' }]);
    expect(await rowsOf(other)).toEqual([]);
  });
});

const open = async (userId: string, lastEventId?: string) =>
  runner.asUser(userId, '/api/v1/me/events', {
    headers: lastEventId === undefined ? {} : { 'last-event-id': lastEventId },
  });

describe('GET /api/v1/me/events', () => {
  it('tells what devices and the runner change, and resumes after the last id', async () => {
    const userId = randomUUID();
    const response = await open(userId);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const stream = readEvents(response);
    await stream.until(({ event }) => event === 'ready', 'the first event');
    await writeRecord(stage.postgres, { userId, recordId: 'm', data: dueMission() });
    const seen = await stream.until(({ event }) => event === 'mission', 'the mission');
    expect(seen.data).toMatchObject({ missionId: 'm', mission: { title: 'Groceries' } });
    const planned = await stream.until(({ event }) => event === 'iteration', 'the iteration');
    expect(planned.data).toMatchObject({
      missionId: 'm',
      iteration: { overallStatus: 'awaiting-review' },
    });
    await stream.close();
    const last = stream.events.at(-1)?.id ?? '';
    await ask(userId, 'PATCH', '/m', { title: 'While away' });
    await ask(userId, 'POST', '', { ...NEW, id: 'n' });
    const resumed = readEvents(await open(userId, last));
    await resumed.until(({ data }) => data['missionId'] === 'n', 'the new mission');
    expect(resumed.events.map(({ event, data }) => [event, data['missionId']])).toEqual([
      ['mission', 'm'],
      ['mission', 'n'],
    ]);
    await ask(userId, 'DELETE', '/n');
    await resumed.until(({ event }) => event === 'mission-deleted', 'the deletion');
    await resumed.close();
  });

  it('tells everything once where the id is of another cache, and nobody else anything', async () => {
    const [userId, other] = [randomUUID(), randomUUID()];
    const foreign = readEvents(await open(other));
    await ask(userId, 'POST', '', { ...NEW, id: 'm' });
    const stream = readEvents(await open(userId, 'zzz-99'));
    const told = await stream.until(({ event }) => event === 'mission', 'the mission');
    expect(told.data).toMatchObject({ missionId: 'm' });
    expect(foreign.events.filter(({ event }) => event !== 'ready')).toEqual([]);
    await Promise.all([stream.close(), foreign.close()]);
  });

  it('is bounded per person, and a place that was left is free again', async () => {
    const userId = randomUUID();
    const streams = await Promise.all(Array.from({ length: 8 }, () => open(userId)));
    const ninth = await open(userId);
    expect([ninth.status, ninth.headers.get('retry-after')]).toEqual([429, '5']);
    expect(await ninth.json()).toMatchObject({ code: 'TOO_MANY_STREAMS' });
    for (const stream of streams) await stream.body?.cancel();
    await waitFor(async () => {
      const again = await open(userId);
      await again.body?.cancel();
      return again.status === 200 || undefined;
    }, 'a free place');
  });

  it('ends when the process drains, and stopping does not wait for it', async () => {
    const stream = readEvents(await open(randomUUID()));
    await stream.until(({ event }) => event === 'ready', 'the first event');
    const startedMs = Date.now();
    expect(await runner.stop()).toBe(0);
    expect(Date.now() - startedMs).toBeLessThan(5_000);
    await waitFor(() => stream.ended() || undefined, 'the end of the stream');
    await runner.restart();
  });
});
