/** Thrown inside the parsing of a configuration alone: names a variable and says what it wants, never what it holds. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly variable: string;
  constructor(variable: string, message: string) {
    super(message);
    this.variable = variable;
  }
}

/** Reads variables by kind. Empty, null and undefined are unset (compose passes `${VAR:-}`). Malformed ones throw ConfigError. */
export class EnvReader {
  readonly #env: Readonly<Record<string, unknown>>;
  constructor(env: Readonly<Record<string, unknown>>) {
    this.#env = env;
  }

  /** Numbers and booleans come from the `[vars]` of a wrangler.toml. */
  text(name: string): string | null {
    const value = this.#env[name];
    if (value === undefined || value === null || value === '') return null;
    if (typeof value === 'string') return value;
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    throw new ConfigError(name, 'wants text');
  }

  /** Text without control characters and without a space at either end, which nobody means and nobody sees. */
  line(name: string): string | null {
    const value = this.text(name);
    if (value !== null && (/\p{Cc}/u.test(value) || value !== value.trim())) {
      throw new ConfigError(name, 'wants one line of text without a space at either end');
    }
    return value;
  }

  /** What is sent or compared as an HTTP header: printable ASCII, no space at either end. */
  headerText(name: string): string | null {
    const value = this.text(name);
    if (value !== null && !/^[!-~](?:[ -~]*[!-~])?$/.test(value)) {
      throw new ConfigError(name, 'wants printable ASCII characters without a space at either end');
    }
    return value;
  }

  integer(name: string, fallback: number, { min, max }: { min: number; max: number }): number {
    const value = this.text(name);
    if (value === null) return fallback;
    const number = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= min && number <= max))
      throw new ConfigError(name, `wants a whole number from ${min} to ${max}`);
    return number;
  }

  boolean(name: string, fallback: boolean): boolean {
    return this.oneOf(name, ['true', 'false'], String(fallback)) === 'true';
  }

  oneOf<const Choice extends string, Fallback extends string | null>(
    name: string,
    choices: readonly Choice[],
    fallback: Fallback,
  ): Choice | Fallback {
    const value = this.text(name);
    if (value === null) return fallback;
    const choice = choices.find((candidate) => candidate === value);
    if (choice === undefined) throw new ConfigError(name, `wants ${choices.join(' or ')}`);
    return choice;
  }

  /** An http or https URL without credentials, query or fragment. */
  httpUrl(name: string): URL | null {
    const value = this.text(name);
    if (value === null) return null;
    const url = URL.parse(value);
    const plain =
      url !== null &&
      url.username === '' &&
      url.password === '' &&
      url.search === '' &&
      url.hash === '';
    if (!plain || !/^https?:$/.test(url.protocol)) {
      throw new ConfigError(
        name,
        'wants an http:// or https:// URL without user name, password, query and fragment',
      );
    }
    return url;
  }
}
