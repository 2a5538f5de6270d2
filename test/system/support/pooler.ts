import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { freePort } from './free-port.ts';
import { waitFor } from './runner.ts';

export type Pooler = { databaseUrl: string; stop(): Promise<void> };

/** A stock PgBouncer before a database; its settings are the defaults but for the mode. */
export async function startPooler(
  databaseUrl: string,
  mode: 'session' | 'transaction' | 'statement',
): Promise<Pooler> {
  const url = new URL(databaseUrl);
  const port = await freePort();
  const folder = mkdtempSync(`${tmpdir()}/mana-edge-pooler-`);
  const password = decodeURIComponent(url.password);
  writeFileSync(`${folder}/users`, `"${url.username}" "${password}"\n`);
  writeFileSync(
    `${folder}/pgbouncer.ini`,
    `[databases]
* = host=${url.hostname} port=${url.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${folder}/users
pool_mode = ${mode}
`,
  );
  const child = spawn('pgbouncer', [...asOther(folder), `${folder}/pgbouncer.ini`], {
    stdio: 'ignore',
  });
  await waitFor(() => answers(port), 'PgBouncer');
  url.port = String(port);
  return { databaseUrl: url.href, stop: () => stop(child, folder) };
}

/** PgBouncer does not run as root. */
function asOther(folder: string): string[] {
  if (userInfo().uid !== 0) return [];
  for (const path of [folder, `${folder}/users`, `${folder}/pgbouncer.ini`])
    chownSync(path, idOfNobody('-u'), idOfNobody('-g'));
  chmodSync(folder, 0o700);
  return ['--user=nobody'];
}

function idOfNobody(flag: '-u' | '-g'): number {
  return Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
}

async function answers(port: number): Promise<true | undefined> {
  return new Promise((done) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => done(true));
    socket.once('error', () => done(undefined));
    socket.once('connect', () => socket.destroy());
  });
}

async function stop(child: ChildProcess, folder: string): Promise<void> {
  const exited = new Promise((done) => child.once('exit', done));
  child.kill('SIGKILL');
  await exited;
  rmSync(folder, { recursive: true, force: true });
}
