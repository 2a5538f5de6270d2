/** True for a JSON object: no array, no null. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** True for one of the given strings. */
export function isOneOf<const T extends string>(allowed: readonly T[], value: unknown): value is T {
  return typeof value === 'string' && (allowed as readonly string[]).includes(value);
}

/**
 * Reads fields of a record that other programs wrote. A field that is absent or null takes its fallback silently; one that is
 * present and unreadable takes it too and is named in `ignored`.
 */
export class FieldReader {
  readonly ignored: string[] = [];
  readonly #record: Record<string, unknown>;

  constructor(record: Record<string, unknown>) {
    this.#record = record;
  }

  /** The raw value; own properties only, null where absent. */
  raw(name: string): unknown {
    return Object.hasOwn(this.#record, name) ? (this.#record[name] ?? null) : null;
  }

  /** The value as `read` understands it; `read` answers undefined for what it cannot use. */
  take<T>(name: string, fallback: T, read: (value: unknown) => T | undefined): T {
    const value = this.raw(name);
    if (value === null) return fallback;
    const result = read(value);
    if (result !== undefined) return result;
    this.ignore(name);
    return fallback;
  }

  /** Text of any length, '' where there is none. */
  text(name: string): string {
    return this.take(name, '', (value) => (typeof value === 'string' ? value : undefined));
  }

  /** Names a field of which at least a part was not understood. */
  ignore(name: string): void {
    if (!this.ignored.includes(name)) this.ignored.push(name);
  }
}
