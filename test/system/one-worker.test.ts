import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate } from '../../scripts/migrate.ts';
import { projectPath } from '../../scripts/process/project.ts';
import { freePort } from '../../scripts/process/free-port.ts';
import { startPostgres, type TestPostgres } from './support/postgres.ts';
import { waitFor } from './support/runner.ts';

let postgres: TestPostgres;

beforeAll(async () => {
  postgres = await startPostgres();
  await migrate(postgres.databaseUrl);
});

afterAll(() => postgres?.stop());

type Served = { child: ChildProcess; output(): string; exited: Promise<number | null> };

/** As the containers run it: without npm. */
function serve(argument: string, variables: Record<string, string>): Served {
  const child = spawn(process.execPath, [projectPath('scripts/serve.ts'), argument], {
    cwd: tmpdir(),
    env: { PATH: process.env['PATH'], ...variables },
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return {
    child,
    output: () => text,
    exited: new Promise((done) => child.once('exit', (code) => done(code))),
  };
}

describe('serve with the name of one Worker', () => {
  it.each(['mana-ai', 'mana-auth'])(
    '%s alone is ready, answers, and ends at SIGTERM with 0',
    async (name) => {
      const dataDir = mkdtempSync(`${tmpdir()}/mana-edge-one-`);
      const [port, authPort] = [await freePort(), await freePort()];
      const llm =
        name === 'mana-ai' ? { MANA_LLM_URL: 'http://127.0.0.1:9/v1', MANA_LLM_MODEL: 'none' } : {};
      const ports = { MANA_AI_PORT: String(port), MANA_AUTH_PORT: String(authPort) };
      const served = serve(name, {
        DATABASE_URL: postgres.databaseUrl,
        MANA_DATA_DIR: dataDir,
        ...ports,
        ...llm,
      });
      try {
        await waitFor(
          () => served.output().includes('ready\n') || undefined,
          'the line `ready`',
          60_000,
        );
        const [mine, other] = name === 'mana-ai' ? [port, authPort] : [authPort, port];
        expect(await (await fetch(`http://127.0.0.1:${mine}/health`)).json()).toMatchObject({
          postgres: { ok: true },
        });
        await expect(fetch(`http://127.0.0.1:${other}/health`)).rejects.toThrow('fetch failed');
        served.child.kill('SIGTERM');
        expect(await served.exited).toBe(0);
      } finally {
        served.child.kill('SIGKILL');
        rmSync(dataDir, { recursive: true, force: true });
      }
    },
  );

  it('says what it takes where it is given something else', async () => {
    const served = serve('mana-llm', {});
    expect(await served.exited).toBe(1);
    expect(served.output()).toBe(
      'serve takes mana-ai, mana-auth or nothing, which is both; mana-llm is neither\n',
    );
  });
});
