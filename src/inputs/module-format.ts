import type { FieldLine } from './readable-record.ts';

/**
 * How the records of a module become text, one line for each field. `main` lists the fields that
 * say what the record is about.
 */
export type ModuleFormat = {
  /** what a record is called if it has no title */
  fallbackTitle: string;
  titleFields: readonly string[];
  /** if none of these can be read, the input says nothing */
  main: readonly FieldLine[];
  details: readonly FieldLine[];
};
