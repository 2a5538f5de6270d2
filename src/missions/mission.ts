import { isCiphertext } from '../grants/fields.ts';
import { parseCadence, type CadenceParse } from './cadence.ts';
import { FieldReader, isOneOf, isRecord } from '../values/fields.ts';
import { parseInstantMs } from '../values/instant.ts';

const missionStates = ['active', 'paused', 'done', 'archived'] as const;

/** A state as devices write it, or 'invalid' where it is missing or unknown. */
export type MissionState = (typeof missionStates)[number] | 'invalid';

/** A link to one of the person's records, resolved by the module that owns it. */
export type InputRef = { module: string; table: string; id: string };

/** `ms` since the epoch; `iso` is the text exactly as the device wrote it. */
export type NextRunAt =
  { kind: 'none' } | { kind: 'at'; ms: number; iso: string } | { kind: 'invalid' };

/**
 * A mission as the runner understands it; plain JSON. Text fields may be ciphertext, see
 * `isEncrypted`.
 */
export type Mission = {
  id: string;
  title: string;
  objective: string;
  conceptMarkdown: string;
  state: MissionState;
  nextRunAt: NextRunAt;
  agentId: string | null;
  inputs: InputRef[];
  /**
   * As merged and not parsed: a write-back must carry items that we do not understand.
   * `readIterations` reads them.
   */
  iterations: unknown[];
  /** As merged and not parsed: the opening of grants judges it. */
  grant: unknown;
  cadence: CadenceParse;
  /** Names of the fields that were present but could not be used, or only in part. */
  ignoredFields: string[];
};

/** Ids and table names are shorter than this, so a longer text names no record. */
const MAX_REF_LENGTH = 256;

/** True for a field value that only a grant can open. */
export function isEncrypted(text: string): boolean {
  return isCiphertext(text);
}

/**
 * Reads a merged `aiMissions` record (the winner of each field; `id` is the record id). Never
 * throws: a field that cannot be read takes its neutral value and is named in `ignoredFields`.
 */
export function parseMission(record: Record<string, unknown>): Mission {
  const fields = new FieldReader(record);
  return {
    id: fields.text('id'),
    title: fields.text('title'),
    objective: fields.text('objective'),
    conceptMarkdown: fields.text('conceptMarkdown'),
    state: fields.take<MissionState>('state', 'invalid', (value) =>
      isOneOf(missionStates, value) ? value : undefined,
    ),
    nextRunAt: readNextRunAt(fields),
    agentId: fields.take<string | null>('agentId', null, (value) =>
      isName(value) ? value : undefined,
    ),
    inputs: readInputs(fields),
    iterations: fields.take<unknown[]>('iterations', [], (value) =>
      Array.isArray(value) ? value : undefined,
    ),
    grant: fields.raw('grant'),
    cadence: readCadence(fields),
    ignoredFields: fields.ignored,
  };
}

function readNextRunAt(fields: FieldReader): NextRunAt {
  const iso = fields.raw('nextRunAt');
  if (iso === null) return { kind: 'none' };
  const ms = parseInstantMs(iso);
  if (ms !== null && typeof iso === 'string') return { kind: 'at', ms, iso };
  fields.ignore('nextRunAt');
  return { kind: 'invalid' };
}

function readInputs(fields: FieldReader): InputRef[] {
  const items = fields.take<unknown[]>('inputs', [], (value) =>
    Array.isArray(value) ? value : undefined,
  );
  const refs = items.map(readInputRef).filter((ref) => ref !== null);
  if (refs.length < items.length) fields.ignore('inputs');
  return refs;
}

function readInputRef(item: unknown): InputRef | null {
  if (!isRecord(item)) return null;
  const { module, table, id } = item;
  return isName(module) && isName(table) && isName(id) ? { module, table, id } : null;
}

function readCadence(fields: FieldReader): CadenceParse {
  const value = fields.raw('cadence');
  const parsed = parseCadence(value);
  if (!parsed.ok && value !== null) fields.ignore('cadence');
  return parsed;
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= MAX_REF_LENGTH;
}
