import type { FieldLine } from './readable-record.ts';

/** How the records of a module become text: a line each, `main` says what the record is about. */
export type ModuleFormat = {
  /** what a record is called where it has no title */
  fallbackTitle: string;
  titleFields: readonly string[];
  /** without at least one of these an input says nothing */
  main: readonly FieldLine[];
  details: readonly FieldLine[];
};
