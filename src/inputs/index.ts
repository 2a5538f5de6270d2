import { calendar } from './calendar.ts';
import { goals } from './goals.ts';
import { journal } from './journal.ts';
import { kontext } from './kontext.ts';
import type { ModuleFormat } from './module-format.ts';
import { notes } from './notes.ts';
import { profile } from './profile.ts';
import { plainText, readLines, valueAt } from './readable-record.ts';
import { tasks } from './tasks.ts';

export { isBlockOf, TIME_BLOCKS, timeBlockId, withTimes } from './event-times.ts';
export { type InputToOpen, type OpenedInput, openInput } from './open.ts';
export { inputSource, type InputSource } from './source.ts';
export { unknownUrls, urlsIn } from './urls.ts';

/** An input as the prompt shows it. `id` is that of its record, if it is known. */
export type ResolvedInput = { module: string; title: string; text: string; id?: string };

export type InputReading =
  | ({ ok: true } & ResolvedInput)
  | { ok: false; reason: 'unsupported-module' | 'encrypted' | 'missing' };

const FORMATS: Readonly<Record<string, ModuleFormat>> = {
  goals,
  notes,
  tasks,
  todo: tasks,
  calendar,
  journal,
  kontext,
  profile,
};

const LONGEST_TITLE = 200;

/**
 * A merged record as text for the prompt. `record` is null if it does not exist. Fields that are
 * still ciphertext (`enc:`) are left out; if nothing else is left, the reason is 'encrypted'. Never
 * throws.
 */
export function formatInput(module: string, record: Record<string, unknown> | null): InputReading {
  const format = Object.hasOwn(FORMATS, module) ? FORMATS[module] : undefined;
  if (format === undefined) return { ok: false, reason: 'unsupported-module' };
  if (record === null) return { ok: false, reason: 'missing' };
  const main = readLines(record, format.main);
  if (main.text === '')
    return { ok: false, reason: main.encryptedFields > 0 ? 'encrypted' : 'missing' };
  const details = readLines(record, format.details);
  const title = format.titleFields
    .map((name) => plainText(valueAt(record, name)))
    .find((text) => text !== '');
  // The id is shown because tools name records by it.
  const { text: id } = readLines(record, [{ label: 'Id', fields: ['id'] }]);
  const text = [id, main.text, details.text].filter((lines) => lines !== '').join('\n');
  return {
    ok: true,
    module,
    title: (title ?? format.fallbackTitle).slice(0, LONGEST_TITLE).toWellFormed(),
    text,
  };
}
