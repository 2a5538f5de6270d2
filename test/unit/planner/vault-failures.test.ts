import { describe, expect, it } from 'vitest';
import { parseAgent } from '../../../src/missions/agent.ts';
import { readIterations } from '../../../src/missions/iteration.ts';
import { applyAnswer, planSteps, startPlan } from '../../../src/planner/plan.ts';
import { CATALOG } from '../../../src/planner/tools/index.ts';
import { markVaultFailures, stepsToRepeat } from '../../../src/planner/vault-failures.ts';

/** What the app's executor leaves when a device's vault is locked. */
const LOCKED =
  "(FEHLER: Tool execution failed: mana-crypto: vault is locked, cannot encrypt fields for table 'tasks')";

const task = (id: string, title: string, parts: Record<string, unknown> = {}) => ({
  id,
  summary: `Create task “${title}” ${LOCKED}`,
  status: 'failed',
  intent: { kind: 'toolCall', toolName: 'create_task', params: { title } },
  ...parts,
});
const iteration = (id: string, ...plan: unknown[]) => ({
  id,
  source: 'server',
  overallStatus: 'failed',
  plan,
});
const repeated = (iterations: unknown[], agent: Record<string, unknown> | null = null) =>
  stepsToRepeat(markVaultFailures(iterations), {
    agent: agent === null ? null : parseAgent({ id: 'a', ...agent }),
    tools: CATALOG,
  });

describe('steps that failed for a locked vault', () => {
  it('are proposed again, without the words that the app appended', () => {
    const [step] = repeated([iteration('i1', task('i1-1', 'Buy milk'))]);
    expect(step).toEqual({
      toolName: 'create_task',
      params: { title: 'Buy milk' },
      summary: 'Create task “Buy milk”',
      repeats: 'i1-1',
    });
    const plan = startPlan({ system: '', user: '', steps: [step!] });
    expect(planSteps(plan, 'i2')).toMatchObject([
      { id: 'i2-1', status: 'planned', repeats: 'i1-1', intent: { params: { title: 'Buy milk' } } },
    ]);
  });

  it('are proposed again once', () => {
    const first = iteration('i1', task('i1-1', 'Buy milk'));
    expect(
      repeated([first, iteration('i2', task('i2-1', 'Buy milk', { repeats: 'i1-1' }))]),
    ).toEqual([]);
    const done = task('i2-1', 'Buy milk', { repeats: 'i1-1', status: 'approved' });
    expect(repeated([first, iteration('i2', done)])).toEqual([]);
  });

  it('are open to the planner, and the model cannot record them a second time', () => {
    const marked = markVaultFailures([iteration('i1', task('i1-1', 'Buy milk'))]);
    expect(readIterations(marked)[0]!.plan[0]!.status).toBe('planned');
    const plan = startPlan({
      system: '',
      user: '',
      steps: repeated([iteration('i1', task('i1-1', 'Buy milk'))]),
    });
    const answer = {
      content: '',
      toolCalls: [{ id: 'c', name: 'create_task', arguments: '{"title":"Buy milk"}' }],
      usage: { promptTokens: 1, completionTokens: 1 },
    };
    expect(applyAnswer(plan, answer as never, CATALOG).steps).toHaveLength(1);
  });

  it('are left alone where the agent may not use the tool any more, or the step cannot be read', () => {
    const iterations = [iteration('i1', task('i1-1', 'Buy milk'))];
    expect(repeated(iterations, { policy: { tools: { create_task: 'deny' } } })).toEqual([]);
    const odd = task('i1-1', 'x', {
      intent: { kind: 'toolCall', toolName: 'create_task', params: 'enc:2:1:a.b' },
    });
    expect(repeated([iteration('i1', odd, null, 7, task('i1-2', 'y', { intent: null }))])).toEqual(
      [],
    );
  });

  it('another failure is a failure', () => {
    const failed = task('i1-1', 'x', {
      summary: 'Create task (FEHLER: Missing required parameter: title)',
    });
    const iterations = [iteration('i1', failed)];
    expect(repeated(iterations)).toEqual([]);
    expect(markVaultFailures(iterations)).toEqual(iterations);
  });
});
