import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { brotliCompressSync, constants } from 'node:zlib';
import { buildSync } from 'esbuild';
import { projectPath } from './project.ts';

const SOURCE = 'src/console';
const OUT = 'dist/mana-console/page';
/** Parts that are loaded when they are needed, by fixed names: the Worker serves what it knows. */
const ENTRIES = ['app', 'carry', 'check', 'seal', 'qr', 'de'];
const COPIED = ['index.html', 'icon.svg', 'manifest.webmanifest'];

/**
 * Builds the page of the console, with a brotli twin of each file, and notes the files' hashes
 * beside it.
 */
function buildPage(): void {
  rmSync(projectPath(OUT), { recursive: true, force: true });
  mkdirSync(projectPath(OUT), { recursive: true });
  buildSync({
    entryPoints: [
      ...ENTRIES.map((name) => ({ in: projectPath(`${SOURCE}/entries/${name}.ts`), out: name })),
      { in: projectPath(`${SOURCE}/styles/app.css`), out: 'app' },
    ],
    outdir: projectPath(OUT),
    bundle: true,
    minify: true,
    format: 'esm',
    target: ['chrome120', 'firefox128', 'safari17'],
    external: ENTRIES.map((name) => `/${name}.js`),
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    logLevel: 'warning',
  });
  for (const name of COPIED)
    copyFileSync(projectPath(`${SOURCE}/${name}`), projectPath(`${OUT}/${name}`));
  const lines = readdirSync(projectPath(OUT)).map((name) => finish(`${OUT}/${name}`, name));
  writeFileSync(projectPath('dist/mana-console/SHA256SUMS'), lines.join(''));
}

/** The brotli twin of a file; answers its line as `sha256sum` prints it. */
function finish(path: string, name: string): string {
  const bytes = readFileSync(projectPath(path));
  const options = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
  writeFileSync(projectPath(`${path}.br`), brotliCompressSync(bytes, options));
  return `${createHash('sha256').update(bytes).digest('hex')}  ${name}\n`;
}

buildPage();
