import { describe, expect, it } from 'vitest';
import { linkStart, linkTarget, splitScheme } from '../../../src/inputs/link-places.ts';
import { attacksOn, type Pattern, regexLiterals } from './regex-attacks.ts';
import { readSources } from './source-files.ts';

/** A square of this length takes a good part of a second, what is linear about a millisecond. */
const LENGTH = 20_000;
const LIMIT_MS = 150;

const literals = readSources(['src', 'durable-objects']).flatMap(({ path, text }) =>
  regexLiterals(path, text),
);
const composed = [linkStart(), linkTarget(), splitScheme()].map(({ source, flags }) => ({
  path: 'src/inputs/link-places.ts',
  source,
  flags,
}));

/** The shortest of three: a machine that is busy is no square. */
function searchMs({ source, flags }: Pattern, text: string): number {
  const pattern = new RegExp(source, flags.replace(/[gy]/g, '').concat('g'));
  let best = Infinity;
  for (let attempt = 0; attempt < 3 && best > LIMIT_MS; attempt += 1) {
    const startedMs = performance.now();
    text.replace(pattern, '');
    best = Math.min(best, performance.now() - startedMs);
  }
  return best;
}

describe('every regular expression of the Workers takes time in proportion to its text', () => {
  it.each([...literals, ...composed].map((pattern) => ({ ...pattern })))(
    '/$source/$flags of $path',
    (pattern) => {
      for (const text of attacksOn(pattern, LENGTH)) {
        const begin = `${JSON.stringify(text.slice(0, 40))}…`;
        expect(searchMs(pattern, text), begin).toBeLessThan(LIMIT_MS);
      }
    },
  );
});

describe('the attacks', () => {
  it.each([
    ['\\s+$', ''],
    ['a(?=[^b]*c)', 'g'],
    ['(a+)+b', ''],
    ['x=[\\t\\n]*s?[\\t\\n]*:', 'g'],
    ['[^.]+(?:[.][^.]+)+', 'g'],
    ['BEGIN ([^\\n]+) (\\S+)\\n([^]*?)\\nEND \\1', 'gm'],
  ])('find a square in /%s/%s', (source, flags) => {
    const pattern = { path: '', source, flags };
    // Shorter than above: what is worse than a square must end as well.
    const length = source.startsWith('(a+)+') ? 24 : 5_000;
    const worst = Math.max(...attacksOn(pattern, length).map((text) => searchMs(pattern, text)));
    expect(worst).toBeGreaterThan(5);
  });
});
