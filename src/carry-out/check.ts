import { isCiphertext } from '../grants/fields.ts';
import { parseInstantMs } from '../values/instant.ts';
import { carriedRecordId } from './ids.ts';
import { findTable, type RowRule, type Table } from './tables.ts';
import { carryOutTool, toolFacts } from './tools.ts';
import type { Write } from './types.ts';

/** Rows of one step, and characters of their JSON. */
export const MOST_WRITES = 20;
export const MOST_WRITE_BYTES = 64 * 1_024;

/** What every record of a table has besides the fields that a tool gives it. */
const OF_A_SPACE = ['id', 'createdAt', 'updatedAt', 'spaceId', 'authorId', 'visibility', 'userId'];
const OF_A_PERSON = ['id', 'createdAt', 'updatedAt', 'userId'];

/**
 * Whether these rows are such as carry out a step of this tool: which tables, operations and
 * fields, and under which ids. Null, or a sentence that says what is wrong. It judges the form;
 * what the rows say is the person's own.
 */
export function wrongWrites(
  toolName: string,
  writes: readonly Write[],
  step: { userId: string; stepId: string },
): string | null {
  const tool = carryOutTool(toolName);
  if (tool === null)
    return toolFacts(toolName) === null
      ? `${toolName} is no tool that rows carry out.`
      : `Only the app can carry out ${toolName}; approve it without writes.`;
  for (const [n, write] of writes.entries()) {
    const wrong = wrongWrite(tool.writes, write, { ...step, n });
    if (wrong !== null) return `writes[${n}]: ${wrong}`;
  }
  return null;
}

type Place = { userId: string; stepId: string; n: number };

function wrongWrite(rules: readonly RowRule[], write: Write, place: Place): string | null {
  const { appId, table, op } = write;
  const fitting = rules.filter(
    (rule) => rule.table.appId === appId && rule.table.table === table && rule.op === op,
  );
  if (fitting.length === 0) return `this tool writes no ${op} of ${appId}/${table}.`;
  const problems = fitting.map((rule) => wrongByRule(rule, write, place));
  return problems.includes(null) ? null : (problems[0] ?? null);
}

function wrongByRule(rule: RowRule, write: Write, place: Place): string | null {
  const { op, data, recordId, basis } = write;
  const allowed = [...rule.fields, ...(op === 'insert' ? commonFields(rule.table) : [])];
  // A part of an object, `props.title`, is a change of that field.
  const unknown = Object.keys(data).find(
    (name) => !allowed.includes(op === 'update' ? (name.split('.')[0] ?? name) : name),
  );
  if (unknown !== undefined) return `this tool does not write ${unknown}.`;
  if (Object.keys(data).length === 0) return 'data says nothing.';
  if (op === 'insert')
    return basis === undefined ? wrongInsert(rule, write, place) : 'an insert has no basis.';
  if (op === 'delete' && parseInstantMs(data['deletedAt']) === null)
    return 'deletedAt wants to be an instant.';
  return recordId === '' ? 'recordId must not be empty.' : null;
}

function wrongInsert(rule: RowRule, { data, recordId }: Write, place: Place): string | null {
  if (!isIdOf(rule, recordId, place))
    return `recordId wants to be ${idWords(rule, place)}, not ${recordId}.`;
  if (data['id'] !== undefined && data['id'] !== recordId) return 'data.id must be the recordId.';
  for (const name of ['userId', 'authorId'])
    if (data[name] !== undefined && data[name] !== place.userId)
      return `data.${name} must be your own id.`;
  for (const name of ['createdAt', 'updatedAt'])
    if (data[name] !== undefined && parseInstantMs(data[name]) === null)
      return `data.${name} wants to be an instant.`;
  return null;
}

function commonFields(table: Table): readonly string[] {
  return table.userLevel === true ? OF_A_PERSON : OF_A_SPACE;
}

function isIdOf({ id }: RowRule, recordId: string, { userId, stepId, n }: Place): boolean {
  if (id === undefined) return recordId === carriedRecordId(userId, stepId, n);
  return 'is' in id ? recordId === id.is : recordId.startsWith(id.startsWith);
}

function idWords({ id }: RowRule, { userId, stepId, n }: Place): string {
  if (id === undefined) return carriedRecordId(userId, stepId, n);
  return 'is' in id ? id.is : `${id.startsWith}…`;
}

/**
 * The first field that the app encrypts and that these rows hold as plaintext, as `table.field`;
 * null where there is none.
 */
export function unsealedField(writes: readonly Write[]): string | null {
  for (const { appId, table, data } of writes) {
    const encrypted = findTable(appId, table)?.encrypted ?? [];
    const open = encrypted.find(
      (name) => (data[name] ?? null) !== null && !isCiphertext(data[name]),
    );
    if (open !== undefined) return `${table}.${open}`;
  }
  return null;
}
