import { describe, expect, test } from 'vitest';
import { anchorsOf, brokenLinks, DOCUMENTS, wrongCommands } from './document-checks.ts';
import { readProjectFile } from './source-files.ts';

describe.each(DOCUMENTS)('%s', (path) => {
  const text = readProjectFile(path);

  test('leads to files and headings that there are', () => {
    expect(brokenLinks(path, text)).toEqual([]);
  });

  test('names commands and flags that there are', () => {
    expect(wrongCommands(text)).toEqual([]);
  });
});

describe('the checks themselves', () => {
  test('find a link to no file, to no heading, and out of the project', () => {
    const text =
      '# A heading\n[a](#a-heading) [b](#another) [c](none.md) [d](../../etc) [e](README.md#no)';
    expect(brokenLinks('x.md', text)).toEqual(['#another', 'none.md', '../../etc', 'README.md#no']);
    expect(brokenLinks('docs/x.md', '[a](../README.md) [b](configure.md#variables)')).toEqual([]);
  });

  test('name headings as GitHub does', () => {
    expect(anchorsOf('## `MANA_…_FILE`: a secret, twice?\n## Same\n## Same\n')).toEqual([
      'mana__file-a-secret-twice',
      'same',
      'same-1',
    ]);
  });

  test('find a command, a flag and a script that there are not', () => {
    const text =
      '```sh\nnpm run nothing\nnpm run keys -- --replace --now\nnpx mana-edge missions fly\n' +
      'npx mana-edge status --loud   # and this is a comment --not-a-flag\nnode scripts/none.ts\n```\n' +
      'and `npx mana-edge grants`, `npm run forget -- USER --with-log`, `npx mana-edge missions list --json`.';
    expect(wrongCommands(text)).toEqual([
      'nothing is no npm command',
      'npm run keys knows no --now',
      'missions fly is no command of mana-edge',
      'mana-edge status knows no --loud',
      'scripts/none.ts is not there',
    ]);
  });
});
