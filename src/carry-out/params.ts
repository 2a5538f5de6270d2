import { isRecord } from '../values/fields.ts';
import { CannotCarryOut } from './types.ts';

/**
 * The parameters of a step, read as the app's executor reads them, but for what it takes by
 * mistake: an empty text is no number, and a word that is not of the list is refused. Texts come
 * back as they are; `trimmed…` without the white space around them.
 */
export class Params {
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  value(name: string): unknown {
    return this.#values[name];
  }

  /** Text that must say something. */
  text(name: string): string {
    const value = this.optionalText(name);
    if (value === null || value.trim() === '') throw bad(`${name} must not be empty.`);
    return value;
  }

  trimmed(name: string): string {
    return this.text(name).trim();
  }

  /** Null where it was left out. '' is a value. */
  optionalText(name: string): string | null {
    const value = this.#values[name] ?? null;
    if (value !== null && typeof value !== 'string') throw bad(`${name} wants to be text.`);
    return value;
  }

  /** Without the white space around it; null where nothing is left. */
  trimmedOrNull(name: string): string | null {
    return this.optionalText(name)?.trim() || null;
  }

  /** As it is; null where it is missing or ''. */
  textOrNull(name: string): string | null {
    return this.optionalText(name) || null;
  }

  number(name: string): number {
    const value = this.optionalNumber(name);
    if (value === null) throw bad(`${name} wants to be a number.`);
    return value;
  }

  numberIn(name: string, least: number, most: number): number {
    const value = this.number(name);
    if (value < least || value > most) throw bad(`${name} must be from ${least} to ${most}.`);
    return value;
  }

  optionalNumberIn(name: string, least: number, most: number): number | null {
    return this.optionalNumber(name) === null ? null : this.numberIn(name, least, most);
  }

  optionalNumber(name: string): number | null {
    const value = this.#values[name] ?? null;
    if (value === null) return null;
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    if (typeof number !== 'number' || !Number.isFinite(number))
      throw bad(`${name} wants to be a number.`);
    return number;
  }

  /** Text counts as the executor counts it: only 'true' is true. */
  optionalBoolean(name: string): boolean | null {
    const value = this.#values[name] ?? null;
    if (value === null || typeof value === 'boolean') return value;
    if (typeof value === 'string') return value === 'true';
    throw bad(`${name} wants to be true or false.`);
  }

  oneOf<const Word extends string>(name: string, words: readonly Word[]): Word {
    const word = words.find((known) => known === this.#values[name]);
    if (word === undefined) throw bad(`${name} wants to be one of ${words.join(', ')}.`);
    return word;
  }

  optionalOneOf<const Word extends string>(name: string, words: readonly Word[]): Word | null {
    return (this.optionalText(name) ?? '') === '' ? null : this.oneOf(name, words);
  }

  /** `a, b` as a list of words. */
  words(name: string): string[] {
    return (this.optionalText(name) ?? '')
      .split(',')
      .map((word) => word.trim())
      .filter((word) => word !== '');
  }

  /** A calendar day; null where it was left out. */
  optionalDay(name: string): string | null {
    const value = this.textOrNull(name);
    if (value !== null && !isDay(value)) throw bad(`${name} wants to be a day, YYYY-MM-DD.`);
    return value;
  }

  optionalObject(name: string): Record<string, unknown> | null {
    const value = this.#values[name] ?? null;
    if (value !== null && !isRecord(value)) throw bad(`${name} wants to be an object.`);
    return value;
  }
}

/** Whether a text is a day of the calendar, YYYY-MM-DD. */
export function isDay(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const ms = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text);
}

/** The step itself does not say what is needed. */
export function bad(problem: string): CannotCarryOut {
  return new CannotCarryOut('BAD_PARAMS', problem);
}
