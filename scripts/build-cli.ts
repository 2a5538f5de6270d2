import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join, normalize } from 'node:path/posix';
import { projectPath } from './project.ts';

const ENTRY = 'src/cli/main.ts';
const OUT = 'dist/cli';
const RELATIVE = /(\bfrom\s*|\bimport\s*\(?\s*)'(\.[^']+)\.ts'/g;

/** The command line as plain JavaScript: Node strips no types of what is installed as a package. Only what it imports is taken along. */
function buildCli(): void {
  rmSync(projectPath(OUT), { recursive: true, force: true });
  const files = new Set([ENTRY]);
  // A set goes on to what is added while it is walked.
  for (const path of files) {
    const code = stripTypeScriptTypes(readFileSync(projectPath(path), 'utf8'));
    for (const [, , name = ''] of code.matchAll(RELATIVE)) files.add(normalize(join(dirname(path), `${name}.ts`)));
    const target = projectPath(`${OUT}/${path.replace(/\.ts$/, '.js')}`);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, code.replaceAll(RELATIVE, `$1'$2.js'`));
  }
}

buildCli();
