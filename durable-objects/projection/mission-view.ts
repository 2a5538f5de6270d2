import { nextDue } from '../../src/missions/cadence.ts';
import type { Mission } from '../../src/missions/mission.ts';
import { standingOf } from '../../src/missions/standing.ts';
import { withPlainNumbers } from '../../src/values/json.ts';
import { withStepDigests } from '../../src/missions/step-digest.ts';
import type { GrantView, InternalMission, OwnerMission } from '../../src/missions/views.ts';
import { PostgresError } from '../../src/postgres/errors.ts';
import { createLogger } from '../../src/telemetry/logs.ts';
import type { Dependencies } from '../bindings.ts';
import type { MissionStore } from './mission-store.ts';
import type { OccurrenceLog } from './occurrence-log.ts';
import type { MissionEntry } from './projection.ts';

/** What goes on around a mission when it is shown. */
export type Surroundings = { dependencies: Dependencies; runningMissionId: string | null };

/** What judges a mission's grant for its owner; undefined: the mission carries none. */
export type GrantViewer = {
  view(missionId: string, grant: unknown): Promise<GrantView | undefined>;
  viewOpened(missionId: string, grant: unknown): Promise<GrantView | undefined>;
};

export type MissionViewPorts = {
  /** for cadences that name no zone */
  timeZone: () => string;
  store: Pick<MissionStore, 'hold' | 'attempt' | 'turnFailures' | 'metLegacyCiphertext'>;
  occurrences: Pick<OccurrenceLog, 'view'>;
  grants: GrantViewer;
};

const LONGEST_INTERNAL_TITLE = 200;

/** Missions as operators and as their owners see them. */
export class MissionView {
  readonly #ports: MissionViewPorts;
  readonly #log = createLogger({ component: 'mission-view' });

  constructor(ports: MissionViewPorts) {
    this.#ports = ports;
  }

  /** For operators: nothing of the content but the title. */
  internal(entry: MissionEntry, around: Surroundings): InternalMission {
    const { mission } = entry;
    return {
      id: mission.id,
      title: mission.title.slice(0, LONGEST_INTERNAL_TITLE),
      state: mission.state,
      nextRunAt: mission.nextRunAt.kind === 'at' ? mission.nextRunAt.iso : null,
      ...this.#status(entry, around),
    };
  }

  /**
   * For the owner. A grant that cannot be judged now (PostgreSQL or the key set is away) is not
   * shown.
   */
  async owned(
    entry: MissionEntry,
    around: Surroundings,
    iterations: readonly unknown[] = entry.mission.iterations,
  ): Promise<OwnerMission> {
    const { mission } = entry;
    const view: OwnerMission = {
      ...this.internal(entry, around),
      title: mission.title,
      objective: mission.objective,
      conceptMarkdown: mission.conceptMarkdown,
      inputs: mission.inputs,
      agentId: mission.agentId,
      cadence: mission.cadence.ok ? mission.cadence.cadence : null,
      ...this.#times(entry),
      occurrences: this.#ports.occurrences.view(entry, Date.now()),
      iterations: withPlainNumbers(await withStepDigests(iterations)),
    };
    const grant = await this.#grant(entry, view.reason === 'grant-missing');
    if (grant === undefined) return view;
    return { ...view, grant: withAdvice(this.#asMet(mission.id, grant)) };
  }

  /** A good grant opens nothing that the app encrypted in its own form, and is not 'ok' then. */
  #asMet(missionId: string, grant: GrantView): GrantView {
    const isGood = grant.state === 'ok' || grant.state === 'expires-soon';
    return isGood && this.#ports.store.metLegacyCiphertext(missionId)
      ? { ...grant, state: 'legacy-ciphertext' }
      : grant;
  }

  /** When it fires next, and why it does not before. */
  #times({ mission }: MissionEntry): Partial<OwnerMission> {
    const { store } = this.#ports;
    const timeZone = this.#ports.timeZone();
    const cadence = mission.cadence.ok ? mission.cadence.cadence : null;
    const hold = store.hold(mission.id);
    const attempt = store.attempt(mission.id);
    const zone = cadence !== null && 'timeZone' in cadence ? cadence.timeZone : null;
    return {
      timeZone: zone ?? timeZone,
      next: nextTimes(mission, timeZone),
      ...(typeof hold?.untilMs === 'number' ? { waitsUntil: isoOf(hold.untilMs) } : {}),
      ...(attempt === null
        ? {}
        : {
            failure: {
              code: attempt.code,
              times: attempt.failures,
              retryAt: isoOf(attempt.retryAtMs),
            },
          }),
    };
  }

  #status(entry: MissionEntry, around: Surroundings): Pick<InternalMission, 'status' | 'reason'> {
    const { store } = this.#ports;
    const { dependencies, runningMissionId } = around;
    const { id } = entry.mission;
    const { status, reason } = standingOf({
      ...entry,
      nowMs: Date.now(),
      runner: {
        isRunning: runningMissionId === id,
        hold: store.hold(id),
        attempt: store.attempt(id),
        isUserBackedOff: store.turnFailures() > 0,
        isPostgresDown: !dependencies.postgres.ok,
        isLlmDown: !dependencies.llm.ok,
      },
    });
    return reason === undefined ? { status } : { status, reason };
  }

  /**
   * Only opening the keys shows whether they are those that were signed for; a mission that waits
   * for its grant needs to know.
   */
  async #grant({ mission }: MissionEntry, isWaitingForIt: boolean): Promise<GrantView | undefined> {
    const { grants } = this.#ports;
    try {
      return await (isWaitingForIt
        ? grants.viewOpened(mission.id, mission.grant)
        : grants.view(mission.id, mission.grant));
    } catch (thrown) {
      const code = thrown instanceof PostgresError ? thrown.code : 'INTERNAL';
      this.#log.warn('a grant could not be judged', { code });
      return undefined;
    }
  }
}

function withAdvice(grant: GrantView): GrantView {
  const advice = ADVICE[grant.state];
  return advice === undefined ? grant : { ...grant, advice };
}

const ADVICE: Readonly<Record<string, string>> = {
  malformed:
    "This grant is not of the runner's form (the app's own grants are not): mint one at mana-auth, or take it away.",
  'legacy-ciphertext':
    'Something that this mission reads is encrypted in the form of the app (enc:1:), which a grant does not open.',
};

const SHOWN_TIMES = 5;

/** The next times of an active mission, the one that stands first. */
function nextTimes({ id, state, cadence, nextRunAt }: Mission, defaultZone: string): string[] {
  if (state !== 'active' || nextRunAt.kind !== 'at') return [];
  const times = [nextRunAt.ms];
  while (cadence.ok && times.length < SHOWN_TIMES) {
    const afterMs = Math.max(Date.now(), times.at(-1) ?? 0);
    const due = nextDue(cadence.cadence, { afterMs, missionId: id, defaultZone });
    if (!due.ok || due.nextMs === null) break;
    times.push(due.nextMs);
  }
  return times.map(isoOf);
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}
