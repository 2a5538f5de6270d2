import type { Tool } from '../tools/tool.ts';
import { eventReads } from './calendar.ts';
import { goalReads } from './goals.ts';
import { noteReads } from './notes.ts';
import type { ReadTable, ReadTool } from './read-tool.ts';
import type { ReadContext, ReadRecord } from './record.ts';
import { taskReads } from './todo.ts';

export { MODULE_OF_TABLE, type ReadTable } from './read-tool.ts';
export type { ReadContext, ReadRecord } from './record.ts';

const READS: readonly ReadTool[] = [...noteReads, ...taskReads, ...eventReads, ...goalReads];

/** Every tool that reads records. */
export const ALL_READS: readonly Tool[] = READS.map(({ tool }) => tool);

/** The reading tools for records of these tables: what a run may not see has no tool either. */
export function readToolsFor(tables: ReadonlySet<string>): readonly Tool[] {
  return READS.filter(({ table }) => tables.has(table)).map(({ tool }) => tool);
}

/** The tables that the answers to these calls need. */
export function tablesRead(toolNames: readonly string[]): ReadonlySet<ReadTable> {
  return new Set(
    READS.filter(({ tool }) => toolNames.includes(tool.name)).map(({ table }) => table),
  );
}

/**
 * The answer to a call of a reading tool, from `records` alone: the opened ones that the run may see, of any table. Nothing else
 * appears, not even as a count; what is not there is said not to be shared. Pure; plain JSON. null for a tool that reads nothing.
 */
export function answerRead(
  toolName: string,
  params: Record<string, unknown>,
  { records, ...context }: ReadContext & { records: readonly ReadRecord[] },
): unknown {
  const found = READS.find(({ tool }) => tool.name === toolName);
  if (found === undefined) return null;
  return found.answer(
    params,
    records.filter(({ tableName }) => tableName === found.table),
    context,
  );
}
