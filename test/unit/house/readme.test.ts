import { describe, expect, test } from 'vitest';
import { readProjectFile } from './source-files.ts';

const README = readProjectFile('README.md');
const [, TROUBLESHOOTING = ''] = README.split('## Troubleshooting');

/** What a pattern's first group finds in a file. */
function found(path: string, pattern: RegExp): string[] {
  return Array.from(readProjectFile(path).matchAll(pattern), ([, name = '']) => name);
}

/** The members of a union of fixed strings. */
function membersOf(path: string, type: string): string[] {
  const [, body = ''] = new RegExp(`type ${type} =([^;]*);`).exec(readProjectFile(path)) ?? [];
  return Array.from(body.matchAll(/'([\w-]+)'/g), ([, name = '']) => name);
}

const codesOf = (prefix: string, kinds: readonly string[]) =>
  kinds.map((kind) => `${prefix}_${kind.toUpperCase().replaceAll('-', '_')}`);

/** Nobody is shown it: a run is told by itself that it was cancelled. */
const NOT_SHOWN = ['LLM_CANCELLED'];

describe('troubleshooting says what to do about', () => {
  test.each([
    ['each refusal of mana-ai', found('src/mana-ai/http-errors.ts', /^ {2}([A-Z_]+): \d{3},$/gm)],
    [
      'each refusal of mana-auth',
      found('src/mana-auth/http-errors.ts', /^ {2}([A-Z_]+): \d{3},$/gm),
    ],
    ['each failure of PostgreSQL', membersOf('src/postgres/errors.ts', 'PostgresErrorCode')],
    [
      'each failure of the model',
      codesOf('LLM', membersOf('src/model/llm-error.ts', 'LlmErrorKind')),
    ],
    [
      'each failure of research',
      codesOf('RESEARCH', membersOf('src/model/research-client.ts', 'ResearchErrorKind')),
    ],
    [
      'each reason of a mission, of its record',
      membersOf('src/missions/status.ts', 'MissionStatusReason'),
    ],
    [
      'each reason of a mission, of the runner',
      membersOf('src/missions/views.ts', 'MissionReason'),
    ],
    ['each reason of a grant', membersOf('src/grants/errors.ts', 'GrantReason')],
  ])('%s', (_what, names) => {
    expect(names.length).toBeGreaterThan(3);
    const missing = names.filter(
      (name) => !NOT_SHOWN.includes(name) && !TROUBLESHOOTING.includes(`\`${name}\``),
    );
    expect(missing).toEqual([]);
  });
});

test('every npm script that the README names is one', () => {
  const { scripts } = JSON.parse(readProjectFile('package.json')) as {
    scripts: Record<string, string>;
  };
  const named = new Set(
    Array.from(README.matchAll(/npm run (?:--silent )?([a-z:-]+)/g), ([, name = '']) => name),
  );
  expect([...named].filter((name) => !(name in scripts))).toEqual([]);
});
