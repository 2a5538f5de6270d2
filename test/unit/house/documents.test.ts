import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { SECRET_NAMES, VARIABLE_NAMES } from '../../../src/config/variables.ts';
import { DOCUMENTS } from './document-checks.ts';
import { readProjectFile, readSources } from './source-files.ts';

const TROUBLESHOOTING = readProjectFile('docs/troubleshooting.md');

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
    ['each refusal', found('src/http/http-errors.ts', /^ {2}([A-Z_]+): \d{3},$/gm)],
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

test('every variable that a document names is one', () => {
  const known = new Set<string>([
    ...VARIABLE_NAMES,
    ...SECRET_NAMES.map((name) => `${name}_FILE`),
    'MANA_',
  ]);
  const named = DOCUMENTS.flatMap((path) => found(path, /\b((?:MANA|POSTGRES|GRAFANA)_[A-Z_]+)/g));
  const codes = membersOf('src/postgres/errors.ts', 'PostgresErrorCode');
  expect(named.length).toBeGreaterThan(100);
  expect(named.filter((name) => !known.has(name) && !codes.includes(name))).toEqual([]);
});

test('every metric that a document names is one', () => {
  const known = found('src/telemetry/metrics.ts', /'(mana_ai_\w+)'/g);
  const named = DOCUMENTS.flatMap((path) =>
    found(path, /`(mana_ai_\w+(?:_total|_seconds|_bytes))`/g),
  );
  expect(named.length).toBeGreaterThan(3);
  expect(named.filter((name) => !known.includes(name))).toEqual([]);
});

test('every file and folder that a document names is there', () => {
  const ROOM = /`((?:bin|docs|durable-objects|migrations|ops|scripts|src|test)\/[\w./-]*)`/g;
  const named = DOCUMENTS.flatMap((path) => found(path, ROOM));
  expect(named.length).toBeGreaterThan(40);
  expect(named.filter((path) => !existsSync(path))).toEqual([]);
});

test.each(['README.md', 'ARCHITECTURE.md'])('%s can be read in one go: 120 lines', (path) => {
  expect(readProjectFile(path).split('\n').length).toBeLessThanOrEqual(121);
});

test('the mission of the README is the one of the demo', () => {
  const demo = readProjectFile('scripts/embedded/demo-data.ts');
  const [, title = '', hour = '', objective = ''] =
    /> \*\*([^*]+)\*\*, every day at (\d+):00\n>\n> (.+)\n/.exec(readProjectFile('README.md')) ??
    [];
  expect(demo).toContain(
    `title: '${title}',\n      objective: '${objective}',\n      cadence: { kind: 'daily', atHour: ${hour}, atMinute: 0 },`,
  );
});

const folders = (path: string) =>
  readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);

test('the architecture names every room', () => {
  const [, rooms = ''] = /## Rooms\n([\s\S]*?)\n## /.exec(readProjectFile('ARCHITECTURE.md')) ?? [];
  const missing = [
    ...folders('src').filter((name) => !rooms.includes(`\`src/${name}/\``)),
    ...folders('durable-objects').filter((name) => !rooms.includes(`\`${name}/\``)),
  ];
  expect(missing).toEqual([]);
});

/** Figures in prose: the document, its words, and the constant that they follow from. */
const FIGURES = [
  ['docs/troubleshooting.md', 'may have 8 event streams', 'MOST_STREAMS_OF_A_USER = 8;'],
  ['docs/troubleshooting.md', 'may be 256 in all', 'MOST_STREAMS = 256;'],
  ['docs/troubleshooting.md', 'After six failures in a row', 'MOST_FAILURES = 6;'],
  ['docs/how-it-works/a-mission.md', 'up to five rounds', 'MAX_ROUNDS = 5;'],
  ['docs/how-it-works/a-mission.md', 'newest 50 fates', 'KEPT_OCCURRENCES = 50;'],
  ['docs/how-it-works/a-mission.md', 'within ten minutes', 'LATE_AFTER_MS = 10 * 60_000;'],
  ['docs/how-it-works/admission.md', 'concurrency + 4 users', 'PREPARING_USERS = 4;'],
  ['docs/how-it-works/admission.md', 'longest call by 60 s', 'LEASE_MARGIN_MS = 60_000;'],
  ['docs/how-it-works/admission.md', 'back-off of 5 s', 'FIRST_MS = 5_000;'],
  ['docs/how-it-works/change-feed.md', '64 users a second', 'SLICE_USERS = 64;'],
  ['docs/how-it-works/change-feed.md', 'three connections', 'MAX_CONNECTIONS = 3;'],
  ['docs/how-it-works/change-feed.md', 'ends after 15 minutes', 'LIFETIME_MS = 15 * 60_000;'],
  ['docs/keys-and-grants.md', '60 grants a minute', 'MOST_MINTS_A_MINUTE = 60;'],
  ['docs/operate.md', 'at most 500 rows', 'MOST_PAGE_ROWS = 500;'],
  ['SECURITY.md', 'for five minutes more', 'LONGEST_TRUST_MS = 5 * 60_000;'],
] as const;

test.each(FIGURES)('%s says "%s" as the code does', (document, words, constant) => {
  const sources = readSources(['src', 'durable-objects']);
  expect(readProjectFile(document).replaceAll(/\s+/g, ' ')).toContain(words);
  expect(sources.filter(({ text }) => text.includes(` ${constant}`))).toHaveLength(1);
});
