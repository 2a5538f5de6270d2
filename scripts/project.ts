import { fileURLToPath } from 'node:url';

/** Absolute path of a file of this project, wherever the command was started. */
export function projectPath(path: string): string {
  return fileURLToPath(new URL(`../${path}`, import.meta.url).href);
}
