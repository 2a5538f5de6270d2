import type { ConfigRefusal } from './parse.ts';
import { SECRET_NAMES } from './variables.ts';

export type TextEnvironment = Readonly<Record<string, string | undefined>>;

/**
 * Replaces each `<secret>_FILE` by the secret with the text of that file, its line end aside.
 * @param readText throws where the file cannot be read
 * @returns the environment, or the first such variable that is malformed
 */
export function withSecretsFromFiles(
  environment: TextEnvironment,
  readText: (path: string) => string,
): { ok: true; environment: TextEnvironment } | ConfigRefusal {
  const result = { ...environment };
  for (const name of SECRET_NAMES) {
    const variable = `${name}_FILE`;
    const path = environment[variable];
    if (path === undefined || path === '') continue;
    if (environment[name])
      return { ok: false, variable, message: `and ${name} exclude each other` };
    const text = textOf(path, readText);
    if (text === '')
      return { ok: false, variable, message: 'wants a file that can be read and is not empty' };
    delete result[variable];
    result[name] = text;
  }
  return { ok: true, environment: result };
}

/** Empty too where the file cannot be read. */
function textOf(path: string, readText: (path: string) => string): string {
  try {
    return readText(path).replace(/(?<![\r\n])[\r\n]+$/, '');
  } catch {
    return '';
  }
}
