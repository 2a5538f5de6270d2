import { describe, expect, test } from 'vitest';
import { readProjectFile } from './source-files.ts';

const COMPOSE = readProjectFile('compose.yml').replaceAll(/^\s*#.*$/gm, '');

/** The lines of each service, by name: those indented below its key. */
const SERVICES = new Map(
  Array.from(
    (/^services:\n([\s\S]*?)^volumes:/m.exec(COMPOSE)?.[1] ?? '').matchAll(/^ {2}([\w-]+):\n((?: {4}.*\n|\s*\n)*)/gm),
    ([, name = '', body = '']) => [name, body] as const,
  ),
);

function environmentOf(service: string): string[] {
  const [, block = ''] = /^ {4}environment:\n((?: {6}.*\n)*)/m.exec(SERVICES.get(service) ?? '') ?? [];
  return Array.from(block.matchAll(/^ {6}(\w+):/gm), ([, name = '']) => name);
}

function variablesOfWorkers(): string[] {
  const bound = readProjectFile('workerd.capnp').matchAll(/fromEnvironment = "(\w+)"/g);
  return Array.from(new Set(Array.from(bound, ([, name = '']) => name)));
}

/** Read before workerd starts, so no Worker is given it. */
const OF_THE_COMMAND = ['MANA_DATA_DIR'];
/** Made by the command at each start, never given. */
const OF_EACH_START = ['MANA_DRAIN_TOKEN'];

describe('compose and the Workers know the same variables', () => {
  test('compose passes every variable that a Worker is bound to', () => {
    const passed = environmentOf('mana-edge');
    expect(variablesOfWorkers().filter((name) => !passed.includes(name) && !OF_EACH_START.includes(name))).toEqual([]);
  });

  test('every variable that compose passes is read by a Worker or by the command', () => {
    const read = [...variablesOfWorkers(), ...OF_THE_COMMAND];
    expect(environmentOf('mana-edge').filter((name) => !read.includes(name))).toEqual([]);
    expect(readProjectFile('src/mana-ai/config.ts')).toContain(`'MANA_DATA_DIR'`);
  });

  test('every variable of .env.example is used by compose or by the commands', () => {
    const named = Array.from(readProjectFile('.env.example').matchAll(/^(\w+)=/gm), ([, name = '']) => name);
    const used = [...variablesOfWorkers(), ...OF_THE_COMMAND, 'POSTGRES_PASSWORD'];
    expect(named.filter((name) => !used.includes(name))).toEqual([]);
  });
});

describe.each([...SERVICES])('service %s', (name, body) => {
  test('is hardened, has limits, and does not run as root', () => {
    expect(body).toContain('<<: *hardened');
    expect(body).toMatch(/^ {4}mem_limit: /m);
    expect(body).toMatch(/^ {4}pids_limit: /m);
    expect(body).toMatch(/^ {4}user: (?!root|0)/m);
  });

  test('runs a pinned image', () => {
    expect(body).toMatch(/^ {4}image: [\w/-]+:\d+\.\d+(?:\.\d+)?(?:-\w+)?$/m);
  });

  test('is reached from this machine alone', () => {
    const [, ports = ''] = /^ {4}ports:\n((?: {6}.*\n)*)/m.exec(body) ?? [];
    expect(ports.split('\n').filter((line) => line.trim() !== '' && !line.includes('- 127.0.0.1:'))).toEqual([]);
  });

  test('tells whether it is healthy, unless it ends by itself', () => {
    const own = body.includes('healthcheck:') || body.includes('target: mana-edge');
    expect(own || name === 'mana-migrate').toBe(true);
  });
});

test('the file names the services that the documentation speaks of', () => {
  expect([...SERVICES.keys()]).toEqual(['mana-migrate', 'mana-edge', 'postgres', 'mana-llm']);
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
    expect(bases).toHaveLength(2);
    expect(new Set(bases).size).toBe(1);
    expect(bases[0]).toMatch(/^node:24\.\d+\.\d+-/);
    expect(dockerfile).toMatch(/^USER node$/m);
  });

  test('everything that is copied passes .dockerignore, and no secret does', () => {
    const admitted = Array.from(readProjectFile('.dockerignore').matchAll(/^!(\S+)$/gm), ([, path = '']) => path);
    const copied = Array.from(dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm), ([, paths = '']) =>
      paths.split(' '),
    ).flat();
    expect(copied.toSorted()).toEqual(admitted.toSorted());
    expect(admitted.filter((path) => path.startsWith('.'))).toEqual([]);
  });
});
