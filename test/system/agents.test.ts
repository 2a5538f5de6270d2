import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { PROMPT_VERSION } from '../../src/planner/prompt.ts';
import { dueMission, type MissionFields, PAST, runnerRows, writeRecord } from './support/device.ts';
import {
  answerOf,
  type ChatBody,
  finalAnswer,
  isSecondRound,
  plan,
  toolCall,
} from './support/llm-stub.ts';
import { waitFor } from './support/runner.ts';
import { useStage } from './support/stage.ts';

const stage = useStage();
const { llm, runner } = stage;

beforeEach(() => llm.behave('plan'));

async function writeAgent(userId: string, fields: MissionFields, op = 'insert'): Promise<void> {
  const data =
    op === 'insert' ? { name: 'Ada', role: 'planner', state: 'active', ...fields } : fields;
  await writeRecord(stage.postgres, { userId, recordId: 'ada', table: 'agents', op, data });
}

async function writeMission(
  userId: string,
  recordId: string,
  fields: MissionFields,
  op = 'insert',
): Promise<void> {
  const data =
    op === 'insert'
      ? dueMission({ agentId: 'ada', objective: `For ${userId}`, ...fields })
      : fields;
  await writeRecord(stage.postgres, { userId, recordId, op, data });
}

type View = { id: string; status: string; reason?: string };

async function views(userId: string): Promise<View[]> {
  const response = await runner.internal(`/internal/missions/${userId}`);
  return (await response.json<{ missions: View[] }>()).missions;
}

async function shows(
  userId: string,
  missionId: string,
  expected: { status: string; reason?: string },
): Promise<void> {
  await waitFor(
    async () => {
      const view = (await views(userId)).find(({ id }) => id === missionId);
      return view?.status === expected.status && view.reason === expected.reason ? view : undefined;
    },
    `${missionId} to be ${JSON.stringify(expected)}`,
  );
}

async function rowsOf(userId: string, missionId: string, count = 1) {
  return waitFor(async () => {
    const rows = await runnerRows(stage.postgres, userId, missionId);
    return rows.length >= count ? rows : undefined;
  }, `${count} rows for ${missionId}`);
}

function promptsFor(userId: string): string[] {
  return llm.requests
    .map(({ body }) => JSON.stringify(body))
    .filter((text) => text.includes(userId));
}

function offeredIn(body: ChatBody): string[] {
  return (body.tools ?? []).map((tool) => (tool as { function: { name: string } }).function.name);
}

describe('the gate of an agent', () => {
  it.each([
    ['paused', 'agent-paused'],
    ['archived', 'agent-archived'],
  ])(
    'that is %s keeps its mission waiting; opened, it runs at once, as that agent',
    async (state, reason) => {
      const userId = randomUUID();
      await writeAgent(userId, { state });
      await writeMission(userId, 'm', {});
      await shows(userId, 'm', { status: 'waiting', reason });
      expect(promptsFor(userId)).toEqual([]);
      await writeAgent(userId, { state: 'active' }, 'update');
      const [row] = await rowsOf(userId, 'm');
      expect(row?.actor).toMatchObject({
        kind: 'ai',
        principalId: 'ada',
        displayName: 'Ada',
        missionId: 'm',
      });
      expect(row?.data.iterations?.[0]).toMatchObject({ promptVersion: String(PROMPT_VERSION) });
      const metrics = await (await runner.get('/metrics')).text();
      expect(metrics).toMatch(
        new RegExp(`^mana_ai_agent_decisions_total\\{decision="${reason}"\\} [1-9]`, 'm'),
      );
      expect(metrics).toMatch(/^mana_ai_agent_decisions_total\{decision="run"\} [1-9]/m);
      expect(metrics).toMatch(
        new RegExp(`^mana_ai_prompts_total\\{version="${PROMPT_VERSION}"\\} [1-9]`, 'm'),
      );
    },
  );

  it('stays closed where the agent was deleted: its missions do not go on without its limits', async () => {
    const userId = randomUUID();
    await writeAgent(userId, { state: 'active' });
    await writeAgent(userId, {}, 'delete');
    await writeMission(userId, 'm', {});
    await shows(userId, 'm', { status: 'waiting', reason: 'agent-archived' });
    expect(promptsFor(userId)).toEqual([]);
  });

  it('is closed while a tab is at as many of its missions as it may have at once', async () => {
    const userId = randomUUID();
    const startedAt = new Date().toISOString();
    const open = { id: 'tab', source: 'browser', overallStatus: 'running', startedAt, plan: [] };
    await writeAgent(userId, { maxConcurrentMissions: 1 });
    await writeMission(userId, 'elsewhere', { iterations: [open] });
    await shows(userId, 'elsewhere', { status: 'waiting', reason: 'foreground-running' });
    await writeMission(userId, 'm', {});
    await shows(userId, 'm', { status: 'waiting', reason: 'agent-busy' });
    const ended = { iterations: [{ ...open, overallStatus: 'approved' }], state: 'paused' };
    await writeMission(userId, 'elsewhere', ended, 'update');
    await rowsOf(userId, 'm');
  });
});

describe('persona and memory', () => {
  it('reach the prompt, and stay out of it where they are ciphertext', async () => {
    const userId = randomUUID();
    const secret = `enc:1:${randomUUID()}`;
    await writeAgent(userId, { systemPrompt: 'Speak like a gardener.', memory: secret });
    await writeMission(userId, 'm', {});
    await rowsOf(userId, 'm');
    expect(promptsFor(userId)[0]).toContain('Speak like a gardener.');
    expect(JSON.stringify(llm.requests)).not.toContain(secret);
  });
});

describe('the policy of an agent', () => {
  it('hides a denied tool from the model, and refuses it where it is called all the same', async () => {
    const userId = randomUUID();
    await writeAgent(userId, {
      policy: {
        tools: { create_note: 'propose' },
        defaultsByModule: { notes: 'deny', todo: 'deny' },
        defaultForAi: 'auto',
      },
    });
    await writeMission(userId, 'm', { objective: `Plan tasks and notes for ${userId}` });
    const [row] = await rowsOf(userId, 'm');
    expect(row?.data.iterations?.[0]).toMatchObject({ plan: [], overallStatus: 'approved' });
    const bodies = llm.requests
      .map(({ body }) => body)
      .filter((body) => JSON.stringify(body).includes(userId));
    expect(offeredIn(bodies[0]!)).toContain('create_note');
    for (const denied of ['create_task', 'complete_task', 'update_note']) {
      for (const body of bodies) expect(offeredIn(body)).not.toContain(denied);
    }
    expect(JSON.stringify(bodies.at(-1))).toContain('There is no tool of this name');
    const metrics = await (await runner.get('/metrics')).text();
    expect(metrics).toContain(
      'mana_ai_tool_calls_total{tool="create_task",policy="deny",outcome="refused"} 1',
    );
  });
});

describe('what the person said', () => {
  it('reaches the next prompt with the outcome of each step, and what was rejected does not come back unchanged', async () => {
    const userId = randomUUID();
    await writeAgent(userId, {});
    await writeMission(userId, 'm', {});
    const [first] = await rowsOf(userId, 'm');
    const [iteration] = first?.data.iterations ?? [];
    const planned = (iteration?.['plan'] ?? []) as Record<string, unknown>[];
    const steps = planned.map((step) => ({ ...step, status: 'rejected' }));
    const reviewed = {
      ...iteration,
      plan: steps,
      overallStatus: 'rejected',
      userFeedback: 'We buy no milk.',
    };
    await writeMission(userId, 'm', { iterations: [reviewed], nextRunAt: PAST }, 'update');
    const rows = await rowsOf(userId, 'm', 2);
    const second = rows.at(-1)?.data.iterations?.at(-1);
    expect(second).toMatchObject({ plan: [], overallStatus: 'approved' });
    const prompts = promptsFor(userId);
    expect(
      prompts.some(
        (text) => text.includes('We buy no milk.') && text.includes('[rejected] create_task'),
      ),
    ).toBe(true);
    expect(prompts.at(-1)).toContain('The person rejected this very step earlier');
  });
});

describe('reminders', () => {
  it('of a budget that is nearly used and of a last turn stand in one request alone', async () => {
    const userId = randomUUID();
    let turn = 0;
    llm.behave((body) => {
      if (!JSON.stringify(body).includes(userId)) return plan(body);
      turn += 1;
      return answerOf(toolCall('create_task', { title: `Task ${turn}` }), {
        promptTokens: 1_900,
        completionTokens: 100,
      });
    });
    await writeAgent(userId, { maxTokensPerDay: 9_500 });
    await writeMission(userId, 'm', {});
    await rowsOf(userId, 'm');
    const reminded = promptsFor(userId).map(
      (text) => (text.match(/Reminder of the runner/g) ?? []).length,
    );
    // The fifth of five comes at 8,000 of 9,500 tokens: of the budget, and of the last turn.
    expect(reminded).toEqual([0, 0, 0, 0, 2]);
    const metrics = await (await runner.get('/metrics')).text();
    expect(metrics).toMatch(
      /^mana_ai_reminders_emitted_total\{producer="budget",severity="info"\} [1-9]/m,
    );
  });
});

// About what the prompt has: a server that reports far less would have cut it.
const PER_ROUND = 3_300;
const BUDGET = 8 * PER_ROUND - 400;

describe('a budget of eight rounds with 20 missions at once', () => {
  it('is overshot by one round at most, a kill included; what is left waits and runs when there are tokens again', async () => {
    const userId = randomUUID();
    let paid = 0;
    llm.behave((body) => {
      if (!JSON.stringify(body).includes(userId)) return plan(body);
      paid += PER_ROUND;
      const answer = isSecondRound(body)
        ? finalAnswer('Done.')
        : toolCall('create_task', { title: 'Buy milk' });
      return answerOf(answer, { promptTokens: PER_ROUND - 100, completionTokens: 100 });
    });
    await writeAgent(userId, { maxTokensPerDay: BUDGET });
    const ids = Array.from({ length: 20 }, (_, n) => `m${n}`);
    for (const id of ids) await writeMission(userId, id, {});
    await waitFor(() => paid >= 3 * PER_ROUND || undefined, 'three rounds');
    await runner.kill();
    await runner.restart();
    await waitFor(
      async () => {
        const shown = await views(userId);
        return (
          shown.every(({ status, reason }) => status === 'scheduled' || reason === 'budget') ||
          undefined
        );
      },
      'every mission to have run or to wait for tokens',
      90_000,
    );
    const settled = await views(userId);
    const ran = settled.filter(({ status }) => status === 'scheduled').length;
    process.stdout.write(`paid ${paid} of ${BUDGET} tokens, ${ran} of 20 missions ran\n`);
    expect(paid - BUDGET).toBeLessThanOrEqual(PER_ROUND);
    expect(ran).toBeGreaterThanOrEqual(2);
    expect(settled.filter(({ reason }) => reason === 'budget')).toHaveLength(20 - ran);
    await writeAgent(userId, { maxTokensPerDay: 1_000_000 }, 'update');
    for (const id of ids) await rowsOf(userId, id);
  }, 240_000);
});
