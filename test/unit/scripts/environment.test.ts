import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { projectPath } from '../../../scripts/process/project.ts';
import { readProjectFile } from '../house/source-files.ts';

/** What a command would read in a folder with this `.env`. */
function readWith(text: string): Record<string, string> {
  const folder = mkdtempSync(`${tmpdir()}/mana-edge-env-`);
  try {
    writeFileSync(`${folder}/.env`, text);
    const module = JSON.stringify(projectPath('scripts/process/environment.ts'));
    const program = `const { readEnvironment } = await import(${module});
console.log(JSON.stringify(readEnvironment()));`;
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
      cwd: folder,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'] },
    });
    return JSON.parse(output) as Record<string, string>;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test('a .env that an editor of Windows wrote is read like any other', () => {
  const lines = ['MANA_LLM_URL=http://127.0.0.1:1/v1', 'MANA_LLM_MODEL="a model"', ''];
  const expected = { MANA_LLM_URL: 'http://127.0.0.1:1/v1', MANA_LLM_MODEL: 'a model' };
  expect(readWith(lines.join('\r\n'))).toMatchObject(expected);
  expect(readWith(`\uFEFF${lines.join('\n')}`)).toMatchObject(expected);
  expect(readWith(`\uFEFF${lines.join('\r\n')}`)).toMatchObject(expected);
});

test('a clone has the line ends that its programs need, whatever git is set to', () => {
  expect(readProjectFile('.gitattributes')).toMatch(/^\* text=auto eol=lf$/m);
});
