import type { z } from 'zod';
import { readingTool, type Tool, toolsOf } from '../tools/tool.ts';
import type { ReadContext, ReadRecord } from './record.ts';

/** Tables whose records can be read, and the module of the app that their tools belong to. */
export type ReadTable = 'notes' | 'tasks' | 'events' | 'companionGoals';

export const MODULE_OF_TABLE: Readonly<Record<ReadTable, string>> = {
  notes: 'notes',
  tasks: 'todo',
  events: 'calendar',
  companionGoals: 'goals',
};

const WORDS: Readonly<Record<ReadTable, readonly string[]>> = {
  notes: ['note', 'notiz'],
  tasks: ['task', 'todo', 'aufgabe'],
  events: ['calendar', 'event', 'appointment', 'meeting', 'kalender', 'termin'],
  companionGoals: ['goal', 'target', 'ziel', 'progress', 'fortschritt'],
};

/** A tool that is answered from records of one table. */
export type ReadTool = {
  tool: Tool;
  table: ReadTable;
  /** plain JSON; `params` keep the tool's schema, `records` are of its table */
  answer: (
    params: Record<string, unknown>,
    records: readonly ReadRecord[],
    context: ReadContext,
  ) => unknown;
};

/** Makes a reading tool with typed parameters. */
export function readTool<const Shape extends z.ZodRawShape>(spec: {
  table: ReadTable;
  name: string;
  description: string;
  parameters: Shape;
  answer: (
    params: z.infer<z.ZodObject<Shape, z.core.$strict>>,
    records: readonly ReadRecord[],
    context: ReadContext,
  ) => unknown;
}): ReadTool {
  const { table, name, description, parameters, answer } = spec;
  const [tool] = toolsOf(MODULE_OF_TABLE[table], WORDS[table], [
    readingTool({ name, description, parameters }),
  ]);
  if (tool === undefined) throw new Error('a tool was made of one definition');
  // The loop has parsed them by this very schema.
  type Params = z.infer<z.ZodObject<Shape, z.core.$strict>>;
  return {
    tool,
    table,
    answer: (params, records, context) => answer(params as Params, records, context),
  };
}
