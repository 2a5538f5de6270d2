import { GrantsError } from '../../grants/index.ts';
import { isRecord } from '../../values/fields.ts';
import { type IterationView, type PlanStepView, readIteration } from '../../missions/iteration.ts';
import { stepDigest } from '../../missions/step-digest.ts';
import type { OwnerMission } from '../../missions/views.ts';
import { ApiError } from '../api.ts';
import { Carrier, type Prospect } from '../carrying.ts';
import {
  type Command,
  type Context,
  missionPath,
  storedMission,
  storedMissions,
} from '../context.ts';
import { effectText, stepText } from '../show.ts';
import { printable } from '../terminal.ts';

type Decision = {
  stepId: string;
  digest: string;
  decision: 'approve' | 'reject';
  writes?: unknown;
};

/**
 * An iteration that awaits review: digests by step id, of the stored steps, and the steps opened
 * for the eyes.
 */
type Waiting = {
  missionId: string;
  title: string;
  iteration: IterationView;
  digests: ReadonlyMap<string, string>;
};

type Tally = { approved: number; rejected: number };

export const REVIEW: Command = {
  name: 'review',
  takes: '[ID]',
  summary:
    'walk through the proposals that wait for you, and carry out what you approve: y approves, n rejects, s leaves it, q ends',
  options: {
    'mark-only': { type: 'boolean', help: 'approving says "done by hand" and carries out nothing' },
  },
  run: async (context, [id], values) => {
    const missions =
      id === undefined ? await storedMissions(context) : [await storedMission(context, id)];
    const waiting = (
      await Promise.all(missions.map((mission) => waitingOf(context, mission)))
    ).flat();
    if (context.json)
      return context.terminal.print(JSON.stringify({ waiting: waiting.map(plain) }, null, 2));
    if (waiting.length === 0) return context.terminal.print('Nothing waits for you.');
    const review = new Review(context, values['mark-only'] === true);
    for (const one of waiting) if ((await review.walk(one)) === 'stop') return;
  },
};

/**
 * The digest is made of what the server stores, so that an approval holds for exactly what is shown
 * from it.
 */
async function waitingOf(context: Context, stored: OwnerMission): Promise<Waiting[]> {
  const opened = await context.opener.open(stored);
  const found = await Promise.all(
    stored.iterations.map(async (item, index): Promise<Waiting[]> => {
      const iteration = readIteration(opened.iterations[index]);
      if (!isRecord(item) || iteration?.overallStatus !== 'awaiting-review') return [];
      const handedOver = handedOverIn(item['plan']);
      const plan = iteration.plan.filter(({ id }) => !handedOver.has(id));
      if (handedOver.size > 0 && !plan.some(isOpen)) return [];
      return [
        {
          missionId: stored.id,
          title: opened.title || opened.objective,
          iteration: { ...iteration, plan },
          digests: await digestsOf(item['plan']),
        },
      ];
    }),
  );
  return found.flat();
}

function isOpen({ status }: PlanStepView): boolean {
  return status === 'planned' || status === 'staged' || status === null;
}

/** Steps that the app will do: nothing is left to decide about them. */
function handedOverIn(plan: unknown): Set<string> {
  const steps = Array.isArray(plan) ? plan.filter(isRecord) : [];
  return new Set(steps.filter(isForApp).map((step) => String(step['id'])));
}

function isForApp({ decision }: Record<string, unknown>): boolean {
  return isRecord(decision) && decision['carriedOut'] === 'handed-over';
}

async function digestsOf(plan: unknown): Promise<Map<string, string>> {
  const steps = Array.isArray(plan) ? plan.filter(isRecord) : [];
  return new Map(
    await Promise.all(
      steps.map(async (step) => [String(step['id']), await stepDigest(step)] as const),
    ),
  );
}

/**
 * A walk through plans: each decision is sent when it is made, so that a step sees what the one
 * before it did.
 */
class Review {
  readonly #context: Context;
  readonly #markOnly: boolean;

  constructor(context: Context, markOnly: boolean) {
    this.#context = context;
    this.#markOnly = markOnly;
  }

  async walk(one: Waiting): Promise<'stop' | 'done'> {
    const { terminal } = this.#context;
    const { title, iteration, missionId } = one;
    terminal.print(`\n${terminal.paint('bold', printable(title))}`);
    if (iteration.summary !== null) terminal.print(printable(iteration.summary));
    const steps = iteration.plan.filter(isOpen);
    const carrier = new Carrier(this.#context, missionId);
    const tally: Tally = { approved: 0, rejected: 0 };
    let stopped = false;
    for (const [index, step] of steps.entries()) {
      terminal.print(`\n${index + 1}/${steps.length} ${stepText(terminal, step)}`);
      stopped = (await this.#decide(one, step, carrier, tally)) === 'stop';
      if (stopped) break;
    }
    if (tally.approved + tally.rejected === 0) return stopped ? 'stop' : 'done';
    if (!stopped) await this.#comment(one);
    terminal.print(
      terminal.paint('green', `${tally.approved} approved, ${tally.rejected} rejected.`),
    );
    return stopped ? 'stop' : 'done';
  }

  async #decide(
    one: Waiting,
    step: PlanStepView,
    carrier: Carrier,
    tally: Tally,
  ): Promise<'stop' | 'next'> {
    const { terminal } = this.#context;
    const prospect: Prospect = this.#markOnly
      ? { kind: 'hand', problem: null }
      : await carrier.prospectOf(step);
    terminal.print(effectText(terminal, prospect));
    const answer = await this.#ask('approve? [y/n/s/q] ', ['y', 'n', 's', 'q']);
    if (answer === null || answer === 'q') return 'stop';
    if (answer === 's') return 'next';
    if (answer === 'n') {
      const rejected = await this.#send(one, [this.#decision(one, step, 'reject')]);
      if (rejected) tally.rejected += 1;
      return 'next';
    }
    if (!(await this.#isSure(prospect))) return 'next';
    if (await this.#approve(one, step, carrier, prospect)) tally.approved += 1;
    return 'next';
  }

  /** What cannot be taken back, is seen by others, or costs something, is asked for twice. */
  async #isSure(prospect: Prospect): Promise<boolean> {
    if (prospect.kind === 'hand') return true;
    const { effect } = prospect;
    if (effect !== 'delete' && effect !== 'publish' && effect !== 'spend') return true;
    const words = { delete: 'deletes', publish: 'publishes', spend: 'costs something' }[effect];
    return (await this.#ask(`This ${words}. Really? [y/n] `, ['y', 'n'])) === 'y';
  }

  async #approve(
    one: Waiting,
    step: PlanStepView,
    carrier: Carrier,
    prospect: Prospect,
  ): Promise<boolean> {
    const { terminal } = this.#context;
    const decision = this.#decision(one, step, 'approve');
    if (prospect.kind !== 'rows') {
      const sent = await this.#send(one, [decision]);
      if (sent)
        terminal.print(prospect.kind === 'app' ? 'The app will do it.' : 'Marked as done by hand.');
      return sent;
    }
    try {
      const writes = await carrier.sealed(prospect);
      const sent = await this.#send(one, [{ ...decision, writes }]);
      if (sent) terminal.print(terminal.paint('green', printable(prospect.did)));
      return sent;
    } catch (thrown) {
      if (!(thrown instanceof GrantsError)) throw thrown;
      terminal.note(`The step cannot be encrypted: ${thrown.message}.`);
      return false;
    }
  }

  #decision({ digests }: Waiting, { id }: PlanStepView, decision: Decision['decision']): Decision {
    return { stepId: id, digest: digests.get(id) ?? '', decision };
  }

  /** False where the step is not what it was: that is said, and the others are gone through. */
  async #send(
    { missionId, iteration }: Waiting,
    decisions: readonly Decision[],
    feedback?: string,
  ): Promise<boolean> {
    const body = { decisions, ...(feedback === undefined ? {} : { feedback }) };
    const path = missionPath(missionId, `/iterations/${encodeURIComponent(iteration.id)}/review`);
    try {
      await this.#context.api.runner(path, { method: 'POST', body });
      return true;
    } catch (thrown) {
      if (!(thrown instanceof ApiError) || !CHANGED.includes(thrown.code)) throw thrown;
      this.#context.terminal.note(thrown.message);
      return false;
    }
  }

  async #comment(one: Waiting): Promise<void> {
    const asked = await this.#context.terminal.ask('A comment for the next plan (empty: none): ');
    const comment = (asked ?? '').trim();
    if (comment !== '') await this.#send(one, [], comment);
  }

  /** The end of the input is no approval. */
  async #ask<Letter extends string>(
    question: string,
    letters: readonly Letter[],
  ): Promise<Letter | null> {
    for (;;) {
      const answer = await this.#context.terminal.ask(question);
      if (answer === null) return null;
      const found = letters.find((letter) => answer.trim().toLowerCase().startsWith(letter));
      if (found !== undefined) return found;
    }
  }
}

const CHANGED: readonly string[] = [
  'STEP_CHANGED',
  'STEP_DECIDED',
  'STEP_NOT_FOUND',
  'RECORD_CHANGED',
  'MUST_BE_SEALED',
];

function plain({ missionId, title, iteration, digests }: Waiting): Record<string, unknown> {
  const plan = iteration.plan.map((step) => ({ ...step, digest: digests.get(step.id) }));
  return { missionId, title, iterationId: iteration.id, summary: iteration.summary, plan };
}
