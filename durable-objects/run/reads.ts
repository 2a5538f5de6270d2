import { parseRecordRef } from '../../src/grants/index.ts';
import { type InputSource, inputSource } from '../../src/inputs/index.ts';
import {
  answerRead,
  MODULE_OF_TABLE,
  type ReadRecord,
  type ReadTable,
  readToolsFor,
  tablesRead,
} from '../../src/planner/reads/index.ts';
import type { Tool } from '../../src/planner/tools/tool.ts';
import type { FoundRecord, RunRecords } from './records.ts';
import type { RunScope } from './scope.ts';

/** The app keeps goals in plain text, so all of them may be read, linked or not. */
const GOALS = { appId: 'companion', tableName: 'companionGoals' } as const;

/**
 * Answers the model's reading calls from the records that the run may see. They are opened when a
 * call first needs their table.
 */
export class RunReads {
  /** for the records that the grant covers or the mission links to */
  readonly tools: readonly Tool[];
  /** for what any mission may read as well */
  readonly furtherTools: readonly Tool[];
  readonly #records: RunRecords;
  readonly #timeZone: string;
  readonly #sources: ReadonlyMap<ReadTable, readonly InputSource[]>;
  readonly #opened: ReadRecord[] = [];
  readonly #loaded = new Set<ReadTable>();

  constructor(options: { scope: RunScope; records: RunRecords; timeZone: string }) {
    this.#records = options.records;
    this.#timeZone = options.timeZone;
    this.#sources = readableSources(options.scope);
    const tables = new Set<string>(this.#sources.keys());
    this.tools = readToolsFor(tables);
    this.furtherTools = tables.has(GOALS.tableName) ? [] : readToolsFor(new Set([GOALS.tableName]));
  }

  /**
   * Opens what the answers to these calls need.
   * @throws PostgresError, AuditError: then none of them may be answered
   */
  async prepare(toolNames: readonly string[]): Promise<void> {
    for (const table of tablesRead(toolNames)) {
      if (this.#loaded.has(table)) continue;
      const found = await this.#find(table);
      const openings = await this.#records.open(found);
      for (const [index, { source }] of found.entries()) {
        const opening = openings[index];
        if (opening?.ok === true) this.#opened.push({ ...source, record: opening.record });
      }
      this.#loaded.add(table);
    }
  }

  async #find(table: ReadTable): Promise<FoundRecord[]> {
    return table === GOALS.tableName
      ? this.#records.findAll(GOALS)
      : this.#records.find(this.#sources.get(table) ?? []);
  }

  answer(tool: Tool, params: Record<string, unknown>): unknown {
    return answerRead(tool.name, params, {
      records: this.#opened,
      nowMs: Date.now(),
      timeZone: this.#timeZone,
    });
  }
}

/** The records that the grant covers, and those of the mission's links that need no grant. */
function readableSources({ mission, grant }: RunScope): Map<ReadTable, InputSource[]> {
  const sources = new Map<ReadTable, InputSource[]>();
  const add = (source: InputSource | null): void => {
    if (source === null || !isReadTable(source.tableName)) return;
    const known = sources.get(source.tableName) ?? [];
    if (known.some(({ recordId }) => recordId === source.recordId)) return;
    sources.set(source.tableName, [...known, source]);
  };
  for (const text of grant?.claims.records ?? []) add(grantedSource(text));
  for (const source of mission.inputs.map(inputSource))
    if (source?.needsGrant === false) add(source);
  return sources;
}

function grantedSource(text: string): InputSource | null {
  const ref = parseRecordRef(text);
  if (ref === null || !isReadTable(ref.tableName)) return null;
  return inputSource({
    module: MODULE_OF_TABLE[ref.tableName],
    table: ref.tableName,
    id: ref.recordId,
  });
}

function isReadTable(name: string): name is ReadTable {
  return Object.hasOwn(MODULE_OF_TABLE, name);
}
