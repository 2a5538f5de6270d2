import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path/posix';
import { fileURLToPath } from 'node:url';

/** A source file of the project: its path from the project's root, with forward slashes, and what it imports. */
export type SourceFile = {
  path: string;
  text: string;
  /** packages as they are named, files as paths from the project's root */
  imports: readonly string[];
};

const ROOT = fileURLToPath(new URL('../../../', import.meta.url).href);

/** `import … from`, `export … from`, bare `import '…'` and `import('…')`; types count too, they are knowledge as well. */
const IMPORTS = /(?:\bfrom\s*|\bimport\s*\(?\s*)'([^']+)'/g;

export function readProjectFile(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** All TypeScript files below the folders. */
export function readSources(folders: readonly string[]): SourceFile[] {
  return folders
    .flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) =>
        join(folder, name),
      ),
    )
    .filter((path) => path.endsWith('.ts'))
    .toSorted()
    .map(readSource);
}

function readSource(path: string): SourceFile {
  const text = readProjectFile(path);
  return { path, text, imports: importsOf(path, text) };
}

/** The imports in a file's text, relative ones resolved against its path. */
export function importsOf(path: string, text: string): string[] {
  return Array.from(withoutComments(text).matchAll(IMPORTS), ([, name = '']) =>
    name.startsWith('.') ? normalize(join(dirname(path), name)) : name,
  );
}

/** Code alone: a comment may speak of what code may not do. */
export function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1');
}
