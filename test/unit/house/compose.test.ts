import { describe, expect, test } from 'vitest';
import { namesReadBy, variable, VARIABLE_NAMES } from '../../../src/config/variables.ts';
import { importsOf, readProjectFile } from './source-files.ts';

const COMPOSE = readProjectFile('compose.yml').replaceAll(/^\s*#.*$/gm, '');

/** The lines of each service, by name: those indented below its key. */
const SERVICES = new Map(
  Array.from(
    (/^services:\n([\s\S]*?)^volumes:/m.exec(COMPOSE)?.[1] ?? '').matchAll(
      /^ {2}([\w-]+):\n((?: {4}.*\n|\s*\n)*)/gm,
    ),
    ([, name = '', body = '']) => [name, body] as const,
  ),
);

function environmentOf(service: string): string[] {
  const [, block = ''] =
    /^ {4}environment:\n((?: {6}.*\n)*)/m.exec(SERVICES.get(service) ?? '') ?? [];
  return Array.from(block.matchAll(/^ {6}(\w+):/gm), ([, name = '']) => name);
}

/** What compose fills in from the environment and `.env`. */
const SUBSTITUTED = [
  ...new Set(Array.from(COMPOSE.matchAll(/\$\{(\w+)/g), ([, name = '']) => name)),
];

/** Made by the command at each start, never given. */
const OF_EACH_START = VARIABLE_NAMES.filter((name) => variable(name).group === 'each start');

const WORKERS = [
  { service: 'mana-ai', ownPort: 'MANA_AI_PORT', otherPort: 'MANA_AUTH_PORT', port: 3066 },
  { service: 'mana-auth', ownPort: 'MANA_AUTH_PORT', otherPort: 'MANA_AI_PORT', port: 3001 },
] as const;

describe.each(WORKERS)('compose and $service', ({ service, ownPort, otherPort, port }) => {
  const passed = environmentOf(service);
  const body = SERVICES.get(service) ?? '';

  test('every variable that the Worker reads is passed; the port of the other one is not needed, for its URLs are given', () => {
    const left: string[] = [...OF_EACH_START, otherPort];
    expect(
      namesReadBy(service).filter((name) => !passed.includes(name) && !left.includes(name)),
    ).toEqual([]);
  });

  test('every variable that is passed is read by the Worker or by the command that starts it', () => {
    const read: string[] = [...namesReadBy(service), 'MANA_DATA_DIR', ownPort];
    expect(passed.filter((name) => !read.includes(name))).toEqual([]);
  });

  test('the port, the volume and the health check are those of the image', () => {
    expect(body).toContain(`:${port}\n`);
    expect(body).toMatch(/^ {6}- [\w-]+-objects:\/data$/m);
    const [, stage = ''] =
      new RegExp(`^FROM \\S+ AS ${service}\n([\\s\\S]*?)(?=^FROM |(?![\\s\\S]))`, 'm').exec(
        readProjectFile('Dockerfile'),
      ) ?? [];
    expect(stage).toContain(`EXPOSE ${port}`);
    expect(stage).toContain(`CMD ["scripts/serve.ts", "${service}"]`);
    expect(stage).toMatch(new RegExp(`HEALTHCHECK[\\s\\S]*\\|\\| ${port}\\}/health`));
  });
});

test('neither container is given a private key of the other', () => {
  expect(environmentOf('mana-ai')).not.toContain('MANA_GRANT_SIGNING_KEY_PEM');
  expect(environmentOf('mana-ai')).not.toContain('MANA_AUTH_KEK');
  expect(environmentOf('mana-auth')).not.toContain('MANA_AI_PRIVATE_KEY_PEM');
});

test('every variable that compose substitutes stands in the table of variables', () => {
  expect(SUBSTITUTED.filter((name) => !(VARIABLE_NAMES as string[]).includes(name))).toEqual([]);
});

test('every variable that compose alone reads is one that it substitutes', () => {
  expect(namesReadBy('compose').filter((name) => !SUBSTITUTED.includes(name))).toEqual([]);
});

test('no substitution stands within another one: docker-compose 1.29 leaves the inner one as text', () => {
  expect(COMPOSE.match(/\$\{[^}]*\$\{/g)).toBeNull();
});

describe.each([...SERVICES])('service %s', (name, body) => {
  test('is hardened, has limits, and does not run as root', () => {
    expect(body).toContain('<<: *hardened');
    expect(body).toMatch(/^ {4}mem_limit: /m);
    expect(body).toMatch(/^ {4}pids_limit: /m);
    expect(body).toMatch(/^ {4}user: (?!root|0)/m);
  });

  test('runs a pinned image', () => {
    expect(body).toMatch(/^ {4}image: [\w/-]+:v?\d+\.\d+(?:\.\d+)?(?:-\w+)?$/m);
  });

  test('is reached from this machine alone', () => {
    const [, ports = ''] = /^ {4}ports:\n((?: {6}.*\n)*)/m.exec(body) ?? [];
    expect(
      ports.split('\n').filter((line) => line.trim() !== '' && !line.includes('- 127.0.0.1:')),
    ).toEqual([]);
  });

  test('tells whether it is healthy, unless it ends by itself', () => {
    const own = body.includes('healthcheck:') || /target: mana-(?:ai|auth) /.test(body);
    expect(own || name === 'mana-migrate').toBe(true);
  });
});

test('docs/containers.md speaks of services that the file has, and of those that are built from here', () => {
  const page = readProjectFile('docs/containers.md');
  const named = Array.from(
    page.matchAll(/docker compose (?:exec|run --rm(?: -v \S+)?) ([a-z-]+)/g),
    ([, name = '']) => name,
  );
  expect(named.length).toBeGreaterThan(2);
  expect(named.filter((name) => !SERVICES.has(name))).toEqual([]);
  for (const name of ['mana-migrate', 'mana-ai', 'mana-auth']) expect(page).toContain(name);
});

test('the services are these', () => {
  expect([...SERVICES.keys()]).toEqual([
    'mana-migrate',
    'mana-ai',
    'mana-auth',
    'postgres',
    'mana-llm',
    'prometheus',
    'grafana',
  ]);
});

test('the common part takes every privilege away', () => {
  const [, common = ''] = /^x-hardened: &hardened\n((?: {2}.*\n)*)/m.exec(COMPOSE) ?? [];
  for (const line of ['read_only: true', 'cap_drop: [ALL]', 'no-new-privileges:true', 'init: true'])
    expect(common).toContain(line);
});

describe('the image', () => {
  const dockerfile = readProjectFile('Dockerfile');

  test('has pinned bases and does not run as root', () => {
    const bases = Array.from(dockerfile.matchAll(/^FROM (\S+)/gm), ([, base]) => base);
    expect(bases).toHaveLength(3);
    expect(new Set(bases.filter((base) => base !== 'mana-ai')).size).toBe(1);
    expect(bases[0]).toMatch(/^node:24\.\d+\.\d+-/);
    expect(dockerfile).toMatch(/^USER node$/m);
  });

  test('everything that is copied passes .dockerignore, and no secret does', () => {
    const admitted = Array.from(
      readProjectFile('.dockerignore').matchAll(/^!(\S+)$/gm),
      ([, path = '']) => path,
    );
    const copied = Array.from(
      dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm),
      ([, paths = '']) => paths.split(' '),
    ).flat();
    expect(copied.toSorted()).toEqual(admitted.toSorted());
    expect(admitted.filter((path) => path.startsWith('.'))).toEqual([]);
  });

  test('holds what the commands and workerd load, and nothing that they import was taken out', () => {
    const copied = Array.from(
      dockerfile.matchAll(/^COPY --from=build (.+) \S+$/gm),
      ([, paths = '']) => paths.split(' '),
    ).flat();
    const roots = copied.map((path) => path.replace('/app/', ''));
    const removed = (/rm -rf (.+)$/m.exec(dockerfile)?.[1] ?? '').split(' ');
    const files = importedBy(['scripts/serve.ts', 'scripts/migrate.ts']);
    const packages = files
      .flatMap(({ imports }) => imports)
      .filter((name) => !name.endsWith('.ts') && !name.startsWith('node:'));
    expect(
      files.map(({ path }) => path).filter((path) => !roots.some((root) => path.startsWith(root))),
    ).toEqual([]);
    expect(
      packages.filter((name) =>
        removed.some((gone) => name === gone || name.startsWith(`${gone}/`)),
      ),
    ).toEqual([]);
    for (const embedded of readProjectFile('workerd.capnp').matchAll(/embed "([^/"]+)/g))
      expect(roots).toContain(embedded[1]);
  });
});

describe('what watches', () => {
  const known = new Set(['up']);
  const names = Array.from(
    readProjectFile('src/telemetry/metrics.ts').matchAll(/'(mana_ai_\w+)'/g),
    ([, name = '']) => name,
  );
  for (const name of names)
    for (const suffix of ['', '_bucket', '_sum', '_count']) known.add(`${name}${suffix}`);

  test.each(['ops/prometheus/alerts.yml', 'ops/grafana/dashboards/mana-edge.json'])(
    '%s asks for metrics that exist',
    (path) => {
      const asked = Array.from(readProjectFile(path).matchAll(/\bmana_ai_\w+/g), ([name]) => name);
      expect(asked.length).toBeGreaterThan(2);
      expect(asked.filter((name) => !known.has(name))).toEqual([]);
    },
  );

  test('an alert at any violation sees the first one too, with which a series begins', () => {
    const name = 'mana_ai_grant_scope_violations_total';
    expect(readProjectFile('ops/prometheus/alerts.yml')).toContain(
      `(${name} unless ${name} offset 5m) > 0`,
    );
  });

  test('the runner is scraped where compose has it', () => {
    expect(readProjectFile('ops/prometheus/prometheus.yml')).toContain('targets: [mana-ai:3066]');
  });
});

/** Files of ours that these import, directly or not. */
function importedBy(entries: readonly string[]): { path: string; imports: readonly string[] }[] {
  const found = new Map<string, readonly string[]>();
  const open = [...entries];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (found.has(path)) continue;
    const imports = importsOf(path, readProjectFile(path));
    found.set(path, imports);
    open.push(...imports.filter((name) => name.endsWith('.ts')));
  }
  return Array.from(found, ([path, imports]) => ({ path, imports }));
}
