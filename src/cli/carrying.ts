import {
  carryOut,
  type Effect,
  readNeeds,
  type ReadRecord,
  sealWrites,
  type ShownWrite,
  shownWrites,
  type ToolCall,
  toolFacts,
  type Write,
} from '../carry-out/index.ts';
import type { PlanStepView } from '../missions/iteration.ts';
import type { Context } from './context.ts';
import { OwnRecords } from './own-records.ts';

/**
 * What approving a step comes to. `rows`: it is carried out by them, still to be sealed. `app`:
 * only the app can do it. `hand`: nothing is carried out; `problem` says why not, and is null where
 * there is nothing to carry out.
 */
export type Prospect =
  | {
      kind: 'rows';
      effect: Effect;
      writes: Write[];
      did: string;
      shown: ShownWrite[];
      records: ReadRecord[];
    }
  | { kind: 'app'; effect: Effect }
  | { kind: 'hand'; problem: string | null };

/**
 * Carries out steps of one mission on this machine: reads what they need, opened, and makes their
 * rows.
 */
export class Carrier {
  readonly #context: Context;
  readonly #records: OwnRecords;
  readonly #missionId: string;
  #mission: Promise<ReadRecord | undefined> | undefined;

  constructor(context: Context, missionId: string) {
    this.#context = context;
    this.#records = new OwnRecords(context);
    this.#missionId = missionId;
  }

  /** What a step would do if it were carried out now. */
  async prospectOf({ id, intent }: PlanStepView): Promise<Prospect> {
    if (intent?.kind !== 'toolCall') return { kind: 'hand', problem: null };
    const facts = toolFacts(intent.toolName);
    if (facts === null)
      return { kind: 'hand', problem: `${intent.toolName} is no tool that is known here.` };
    if (facts.appOnly) return { kind: 'app', effect: facts.effect };
    return this.#rowsOf(id, intent, facts.effect);
  }

  /** The rows as they are sent: what the app encrypts is encrypted. Throws GrantsError. */
  async sealed({ writes, records }: Extract<Prospect, { kind: 'rows' }>): Promise<Write[]> {
    const form = await this.#records.sealing();
    const keys = form === 'plain' ? null : await this.#context.opener.ownKeys();
    return sealWrites(writes, form, keys, records);
  }

  async #rowsOf(stepId: string, call: ToolCall, effect: Effect): Promise<Prospect> {
    const records = await readNeeds(call, (needs) => this.#records.needed(needs));
    const mission = await this.#missionRecord();
    const { agentId } = mission?.data ?? {};
    const result = carryOut(call, {
      userId: this.#context.api.userId(),
      stepId,
      nowMs: Date.now(),
      timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      spaceId: mission?.spaceId ?? null,
      agentId: typeof agentId === 'string' ? agentId : null,
      records,
    });
    if (!result.ok) return { kind: 'hand', problem: result.problem };
    const { writes, did } = result;
    return { kind: 'rows', effect, writes, did, shown: shownWrites(writes, records), records };
  }

  /** The mission with its agent: both say where a record belongs, and how it is written. */
  #missionRecord(): Promise<ReadRecord | undefined> {
    this.#mission ??= this.#records
      .find([`aiMissions:${this.#missionId}`])
      .then(([found]) => found);
    return this.#mission;
  }
}
