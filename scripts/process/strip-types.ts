import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join, normalize } from 'node:path/posix';
import { projectPath } from './project.ts';

const RELATIVE = /(\bfrom\s*|\bimport\s*\(?\s*)'(\.[^']+)\.ts'/g;

/**
 * Writes a file and what it imports as plain JavaScript, without a bundler. Neither workerd nor
 * Node, in an installed package, strips the types by itself.
 */
function strip(entry: string, out: string): void {
  rmSync(projectPath(out), { recursive: true, force: true });
  const files = new Set([entry]);
  // A set goes on to what is added while it is walked.
  for (const path of files) {
    const code = stripTypeScriptTypes(readFileSync(projectPath(path), 'utf8'));
    for (const [, , name = ''] of code.matchAll(RELATIVE))
      files.add(normalize(join(dirname(path), `${name}.ts`)));
    const target = projectPath(`${out}/${path.replace(/\.ts$/, '.js')}`);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, code.replaceAll(RELATIVE, `$1'$2.js'`));
  }
}

// Node strips no types of what is installed as a package.
strip('src/cli/main.ts', 'dist/cli');
// workerd embeds these files.
strip('src/egress/worker.ts', 'dist/egress');
