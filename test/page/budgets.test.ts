import { readFileSync, statSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { projectPath } from '../../scripts/process/project.ts';

const PAGE = 'dist/mana-console/page';
const sizeOf = (name: string): number => statSync(projectPath(`${PAGE}/${name}.br`)).size;

test.each([
  ['app.js', 40],
  ['app.css', 8],
  ['seal.js', 12],
])('%s travels in at most %i KB', (name, most) => {
  expect(sizeOf(name)).toBeLessThanOrEqual(most * 1_024);
});

test('no schema library is in what the page loads', () => {
  for (const name of ['app.js', 'carry.js', 'seal.js', 'check.js']) {
    const code = readFileSync(projectPath(`${PAGE}/${name}`), 'utf8');
    expect(code).not.toMatch(/ZodError|invalid_union|_zod/);
  }
});

test('the build notes the hashes of what it serves', () => {
  const noted = readFileSync(projectPath('dist/mana-console/SHA256SUMS'), 'utf8');
  for (const line of noted.trim().split('\n')) {
    const [hash, name = ''] = line.split('  ');
    const bytes = readFileSync(projectPath(`${PAGE}/${name}`));
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(hash);
  }
});
