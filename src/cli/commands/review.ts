import { isRecord } from '../../values/fields.ts';
import { type IterationView, type PlanStepView, readIteration } from '../../missions/iteration.ts';
import { stepDigest } from '../../missions/step-digest.ts';
import type { OwnerMission } from '../../missions/views.ts';
import {
  type Command,
  type Context,
  missionPath,
  storedMission,
  storedMissions,
} from '../context.ts';
import { stepText } from '../show.ts';
import { printable } from '../terminal.ts';

type Decision = { stepId: string; digest: string; decision: 'approve' | 'reject' };

/** An iteration that awaits review: digests by step id, of the stored steps, and the steps opened for the eyes. */
type Waiting = {
  missionId: string;
  title: string;
  iteration: IterationView;
  digests: ReadonlyMap<string, string>;
};

/** `stop`: the person has had enough. */
type Reviewed = { decisions: Decision[]; stop: boolean };

export const REVIEW: Command = {
  name: 'review',
  takes: '[ID]',
  summary:
    'walk through the proposals that wait for you: y approves, n rejects, s leaves it, q ends',
  run: async (context, [id]) => {
    const missions =
      id === undefined ? await storedMissions(context) : [await storedMission(context, id)];
    const waiting = (
      await Promise.all(missions.map((mission) => waitingOf(context, mission)))
    ).flat();
    if (context.json)
      return context.terminal.print(JSON.stringify({ waiting: waiting.map(plain) }, null, 2));
    if (waiting.length === 0) return context.terminal.print('Nothing waits for you.');
    for (const one of waiting) if (await reviewOne(context, one)) return;
  },
};

/** The digest is made of what the server stores, so that an approval holds for exactly what is shown from it. */
async function waitingOf(context: Context, stored: OwnerMission): Promise<Waiting[]> {
  const opened = await context.opener.open(stored);
  const found = await Promise.all(
    stored.iterations.map(async (item, index): Promise<Waiting[]> => {
      const iteration = readIteration(opened.iterations[index]);
      if (!isRecord(item) || iteration?.overallStatus !== 'awaiting-review') return [];
      return [
        {
          missionId: stored.id,
          title: opened.title || opened.objective,
          iteration,
          digests: await digestsOf(item['plan']),
        },
      ];
    }),
  );
  return found.flat();
}

async function digestsOf(plan: unknown): Promise<Map<string, string>> {
  const steps = Array.isArray(plan) ? plan.filter(isRecord) : [];
  return new Map(
    await Promise.all(
      steps.map(async (step) => [String(step['id']), await stepDigest(step)] as const),
    ),
  );
}

async function reviewOne(context: Context, one: Waiting): Promise<boolean> {
  const { terminal } = context;
  const { title, iteration, missionId, digests } = one;
  terminal.print(`\n${terminal.paint('bold', printable(title))}`);
  if (iteration.summary !== null) terminal.print(printable(iteration.summary));
  const open = iteration.plan.filter(
    ({ status }) => status === 'planned' || status === 'staged' || status === null,
  );
  const { decisions, stop } = await decide(context, open, digests);
  if (decisions.length === 0) return stop;
  const comment = stop
    ? ''
    : ((await terminal.ask('A comment for the next plan (empty: none): ')) ?? '').trim();
  const body = { decisions, ...(comment === '' ? {} : { feedback: comment }) };
  const path = missionPath(missionId, `/iterations/${encodeURIComponent(iteration.id)}/review`);
  await context.api.runner(path, { method: 'POST', body });
  const approved = decisions.filter(({ decision }) => decision === 'approve').length;
  terminal.print(
    terminal.paint('green', `${approved} approved, ${decisions.length - approved} rejected.`),
  );
  return stop;
}

async function decide(
  context: Context,
  steps: readonly PlanStepView[],
  digests: Waiting['digests'],
): Promise<Reviewed> {
  const decisions: Decision[] = [];
  for (const [index, step] of steps.entries()) {
    context.terminal.print(`\n${index + 1}/${steps.length} ${stepText(context.terminal, step)}`);
    const answer = await askFor(context);
    if (answer === 'q') return { decisions, stop: true };
    if (answer === 's') continue;
    decisions.push({
      stepId: step.id,
      digest: digests.get(step.id) ?? '',
      decision: answer === 'y' ? 'approve' : 'reject',
    });
  }
  return { decisions, stop: false };
}

/** The end of the input is no approval. */
async function askFor({ terminal }: Context): Promise<'y' | 'n' | 's' | 'q'> {
  for (;;) {
    const answer = await terminal.ask('approve? [y/n/s/q] ');
    if (answer === null) return 'q';
    const [letter] = answer.trim().toLowerCase();
    if (letter === 'y' || letter === 'n' || letter === 's' || letter === 'q') return letter;
  }
}

function plain({ missionId, title, iteration, digests }: Waiting): Record<string, unknown> {
  const plan = iteration.plan.map((step) => ({ ...step, digest: digests.get(step.id) }));
  return { missionId, title, iterationId: iteration.id, summary: iteration.summary, plan };
}
