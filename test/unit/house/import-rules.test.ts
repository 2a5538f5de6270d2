import { describe, expect, test } from 'vitest';
import {
  importsOf,
  readProjectFile,
  readSources,
  type SourceFile,
  withoutComments,
} from './source-files.ts';

const FILES = readSources(['src', 'durable-objects']);

/** Rooms without a clock, chance or input of their own, all of their files. */
const PURE = /^src\/(?:values|missions|sync|inputs|grants|audit|planner|carry-out)\//;
const isPure = ({ path }: SourceFile): boolean => PURE.test(path);

/** Statements for Postgres are plain data; these files name the type of it. */
const MAY_NAME_POSTGRES = /^src\/(?:sync|audit)\/(?:[a-z-]+-)?queries\.ts$/;
const POSTGRES_PORT = 'src/postgres/port.ts';

function offences(
  applies: (file: SourceFile) => boolean,
  forbidden: (name: string, file: SourceFile) => boolean,
) {
  return FILES.filter(applies).flatMap((file) =>
    file.imports.filter((name) => forbidden(name, file)).map((name) => `${file.path} -> ${name}`),
  );
}

const mayKnow = (name: string, { path }: SourceFile): boolean =>
  PURE.test(name) || (name === POSTGRES_PORT && MAY_NAME_POSTGRES.test(path));
const isOurs = (name: string): boolean => /^(?:src|durable-objects|scripts|test)\//.test(name);
const isTopFile = (name: string): boolean => /^durable-objects\/[\w-]+\.ts$/.test(name);
/** What the objects and their rooms share: the ports by which they meet, and the settings. */
const SHARED = ['durable-objects/bindings.ts', 'durable-objects/settings.ts'];
const within = (folder: string) => (file: SourceFile) => file.path.startsWith(`${folder}/`);

describe('imports point inward', () => {
  test('pure rooms import pure rooms and packages alone', () => {
    expect(offences(isPure, (name, file) => isOurs(name) && !mayKnow(name, file))).toEqual([]);
  });

  test('pure rooms import nothing of a platform', () => {
    expect(
      offences(isPure, (name) =>
        /^(?:cloudflare|node):|^(?:openai|pino|prom-client|@neondatabase\/|hono)/.test(name),
      ),
    ).toEqual([]);
  });

  test('the model room, which talks to servers, knows pure rooms and packages alone', () => {
    expect(
      offences(
        within('src/model'),
        (name) => isOurs(name) && !name.startsWith('src/model/') && !PURE.test(name),
      ),
    ).toEqual([]);
  });

  test.each(['src/postgres', 'src/telemetry'])('%s knows itself alone', (room) => {
    expect(
      offences(
        within(room),
        (name) => /^(?:src|durable-objects)\//.test(name) && !name.startsWith(`${room}/`),
      ),
    ).toEqual([]);
  });

  test('http, which both Workers share, knows no room beside itself', () => {
    expect(
      offences(within('src/http'), (name) => isOurs(name) && !name.startsWith('src/http/')),
    ).toEqual([]);
  });

  test('the configuration knows pure rooms and zod alone: all that reads it may import it', () => {
    expect(
      offences(
        within('src/config'),
        (name) => name !== 'zod' && !PURE.test(name) && !name.startsWith('src/config/'),
      ),
    ).toEqual([]);
  });

  test('durable objects know no Worker', () => {
    expect(
      offences(within('durable-objects'), (name) => /^src\/mana-(?:ai|auth)\//.test(name)),
    ).toEqual([]);
  });

  test('no room of the objects knows an object: they meet in bindings.ts, by their ports', () => {
    expect(
      offences(
        ({ path }) => /^durable-objects\/[\w-]+\//.test(path) || SHARED.includes(path),
        (name) => isTopFile(name) && !SHARED.includes(name),
      ),
    ).toEqual([]);
  });

  test('the objects do not know each other', () => {
    const objects = FILES.map(({ path }) => path).filter(
      (path) => isTopFile(path) && !SHARED.includes(path),
    );
    expect(objects).toHaveLength(6);
    expect(
      offences(
        ({ path }) => objects.includes(path),
        (name) => objects.includes(name),
      ),
    ).toEqual([]);
  });

  test.each([
    ['life', []],
    ['admission', ['life']],
    ['feed', ['admission', 'life', 'projection']],
    ['projection', ['life']],
    ['opening', ['life']],
    ['run', ['admission', 'life', 'opening', 'projection']],
  ])('durable-objects/%s knows of the other rooms there: %j', (room, known) => {
    expect(
      offences(within(`durable-objects/${room}`), (name) => {
        const [, other] = /^durable-objects\/([\w-]+)\//.exec(name) ?? [];
        return other !== undefined && other !== room && !known.includes(other);
      }),
    ).toEqual([]);
  });

  test('neither Worker imports the other', () => {
    expect(offences(within('src/mana-ai'), (name) => name.startsWith('src/mana-auth/'))).toEqual(
      [],
    );
    expect(offences(within('src/mana-auth'), (name) => name.startsWith('src/mana-ai/'))).toEqual(
      [],
    );
  });

  test('the grants Worker knows of the objects its two alone', () => {
    const own = ['durable-objects/postgres-pool.ts', 'durable-objects/grant-sweep.ts'];
    const offended = offences(
      within('src/mana-auth'),
      (name) => name.startsWith('durable-objects/') && !own.includes(name),
    );
    expect(offended).toEqual([]);
  });

  test('nothing that is deployed imports scripts or tests', () => {
    expect(
      offences(
        () => true,
        (name) => /^(?:scripts|test)\//.test(name),
      ),
    ).toEqual([]);
  });
});

describe('pure rooms take time and chance as arguments', () => {
  test.each([
    ['Date.now()', /\bDate\s*\.\s*now\b/],
    ['new Date()', /\bnew\s+Date\s*\(\s*\)|\bnew\s+Date\b(?!\s*\()/],
    ['Math.random()', /\bMath\s*\.\s*random\b/],
    ['crypto.randomUUID()', /\brandomUUID\b/],
    ['performance.now()', /\bperformance\s*\.\s*now\b/],
    ['timers', /\b(?:setTimeout|setInterval)\b|\bscheduler\s*\./],
    ['fetch', /\bfetch\s*\(/],
    ['process.env', /\bprocess\s*\./],
  ])('%s is in none of them', (_name, pattern) => {
    expect(
      FILES.filter((file) => isPure(file) && pattern.test(withoutComments(file.text))).map(
        ({ path }) => path,
      ),
    ).toEqual([]);
  });
});

describe('the grants module', () => {
  const outside = FILES.filter(({ path }) => !path.startsWith('src/grants/'));

  test('imports itself, jose and nothing else: it runs in a browser too', () => {
    expect(
      offences(within('src/grants'), (name) => name !== 'jose' && !name.startsWith('src/grants/')),
    ).toEqual([]);
  });

  test('alone of the pure rooms takes chance, and that from WebCrypto', () => {
    const random = FILES.filter(
      (file) => isPure(file) && withoutComments(file.text).includes('getRandomValues'),
    );
    expect(random.map(({ path }) => path)).toEqual(['src/grants/fields.ts']);
  });

  test('gives IVs and ephemeral keys away to tests alone', () => {
    const seam = /\b(?:encryptFieldWithIv|sealKeysWithFixed)\b/;
    expect(outside.filter(({ text }) => seam.test(text)).map(({ path }) => path)).toEqual([]);
    expect(readProjectFile('src/grants/index.ts')).not.toMatch(seam);
    expect(JSON.parse(readProjectFile('package.json'))).toMatchObject({
      exports: { './grants': './src/grants/index.ts' },
    });
  });
});

describe('the reader of imports', () => {
  test('finds every form and resolves relative ones', () => {
    const text = `import 'a';\nimport { b } from 'b';\nimport {\n  c,\n} from '../x/c.ts';\nexport * from './d.ts';\nvoid import('e');\n// from 'f'\n`;
    expect(importsOf('src/room/file.ts', text)).toEqual([
      'a',
      'b',
      'src/x/c.ts',
      'src/room/d.ts',
      'e',
    ]);
  });

  test('there are files to look at', () => {
    expect(FILES.filter(isPure).length).toBeGreaterThan(20);
  });
});
