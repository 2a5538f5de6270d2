import { formatInput, type InputSource, inputSource, type ResolvedInput } from '../src/inputs/index.ts';
import type { Mission } from '../src/missions/mission.ts';
import type { Database } from '../src/postgres/port.ts';
import { parseChangeRow } from '../src/sync/change-row.ts';
import { applyRow, isAlive, readRecord, type RecordState } from '../src/sync/merge.ts';
import { selectRecordChanges } from '../src/sync/queries.ts';
import { metrics } from '../src/telemetry/metrics.ts';

/** Reads what a mission's links lead to, as text for the prompt. */
export class RunInputs {
  readonly #userId: string;
  readonly #database: Database;

  constructor(options: { userId: string; database: Database }) {
    this.#userId = options.userId;
    this.#database = options.database;
  }

  async resolve(mission: Mission): Promise<ResolvedInput[]> {
    const resolved: ResolvedInput[] = [];
    for (const ref of mission.inputs) {
      const source = inputSource(ref);
      // Records of the person are read only under a grant; what needs none is plaintext by design.
      if (source === null || source.needsGrant) {
        metrics.grantSkips.inc({ reason: 'not-configured' });
        continue;
      }
      const record = await this.#read(source);
      const input = record === null ? null : formatInput(ref.module, record);
      if (input?.ok) resolved.push(input);
    }
    return resolved;
  }

  async #read(source: InputSource): Promise<Record<string, unknown> | null> {
    const statement = selectRecordChanges(this.#userId, source.appId, source.tableName, source.recordId);
    const request = { role: 'mana_ai_runner', userId: this.#userId, statements: [statement] } as const;
    const [rows] = await this.#database.transaction(request);
    let state: RecordState | null = null;
    for (const row of rows ?? []) state = applyRow(state, parseChangeRow(row)).state;
    return state !== null && isAlive(state) ? readRecord(state, source.recordId) : null;
  }
}
