import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

import { StartError } from './environment.ts';

type Owner = { workerdPid: number; commandPid: number };

const END_WITHIN_MS = 5_000;
const LOOK_EVERY_MS = 50;

/** Notes which workerd uses a data folder and which command started it. */
export function noteWorkerd(dataDir: string, workerdPid: number): void {
  writeFileSync(ownerFile(dataDir), JSON.stringify({ workerdPid, commandPid: process.pid }), {
    mode: 0o600,
  });
}

/**
 * Ends a workerd that outlived its command (kill -9), because it still holds the ports and the
 * objects.
 * @throws StartError if the command lives: two processes must not share a folder
 */
export async function endLeftoverWorkerd(dataDir: string): Promise<void> {
  if (!existsSync(ownerFile(dataDir))) return;
  const { workerdPid, commandPid } = JSON.parse(readFileSync(ownerFile(dataDir), 'utf8')) as Owner;
  if (!isWorkerdOf(workerdPid, dataDir)) return;
  if (isAlive(commandPid))
    throw new StartError(
      `MANA_DATA_DIR ${dataDir} is in use by process ${commandPid}; stop it first`,
    );
  process.kill(workerdPid, 'SIGTERM');
  for (let waitedMs = 0; isWorkerdOf(workerdPid, dataDir); waitedMs += LOOK_EVERY_MS) {
    if (waitedMs === END_WITHIN_MS) process.kill(workerdPid, 'SIGKILL');
    await new Promise((done) => setTimeout(done, LOOK_EVERY_MS));
  }
}

/** Whether a workerd of this machine uses a data folder right now. */
export function isInUse(dataDir: string): boolean {
  if (!existsSync(ownerFile(dataDir))) return false;
  const { workerdPid } = JSON.parse(readFileSync(ownerFile(dataDir), 'utf8')) as Owner;
  return isWorkerdOf(workerdPid, dataDir);
}

function ownerFile(dataDir: string): string {
  return `${dataDir}/workerd.json`;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Process ids are used again: only a workerd that was given this folder is ours to end. */
function isWorkerdOf(pid: number, dataDir: string): boolean {
  try {
    const command = execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
    return command.includes('workerd') && command.includes(`=${dataDir}/`);
  } catch {
    return false;
  }
}
