/** True for a JSON object: no array, no null. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** True if the value is one of the given strings. */
export function isOneOf<const T extends string>(allowed: readonly T[], value: unknown): value is T {
  return typeof value === 'string' && (allowed as readonly string[]).includes(value);
}

/**
 * Reads fields of a record that other programs wrote. If a field is absent or null, it takes its
 * fallback silently. If it is present and cannot be read, it takes the fallback too and is named in
 * `ignored`.
 */
export class FieldReader {
  readonly ignored: string[] = [];
  readonly #record: Record<string, unknown>;

  constructor(record: Record<string, unknown>) {
    this.#record = record;
  }

  /** The raw value; null if the record has no such property of its own. */
  raw(name: string): unknown {
    return Object.hasOwn(this.#record, name) ? (this.#record[name] ?? null) : null;
  }

  /**
   * The value as `read` understands it. `read` answers undefined for a value that it cannot use.
   */
  take<T>(name: string, fallback: T, read: (value: unknown) => T | undefined): T {
    const value = this.raw(name);
    if (value === null) return fallback;
    const result = read(value);
    if (result !== undefined) return result;
    this.ignore(name);
    return fallback;
  }

  /** Text of any length; '' if there is none. */
  text(name: string): string {
    return this.take(name, '', (value) => (typeof value === 'string' ? value : undefined));
  }

  /** Notes a field that was not understood, or only in part. */
  ignore(name: string): void {
    if (!this.ignored.includes(name)) this.ignored.push(name);
  }
}
