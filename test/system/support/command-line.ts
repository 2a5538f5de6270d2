import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { projectPath } from '../../../scripts/process/project.ts';

/** What a command printed, and how it ended. */
export type Run = { code: number | null; out: string; err: string };

/** The command as a person runs it, in another folder than the project. */
export async function runCli(
  args: readonly string[],
  environment: Record<string, string>,
  { input = '', bin = projectPath('bin/mana-edge.js') } = {},
): Promise<Run> {
  const child = spawn(process.execPath, [bin, ...args], {
    cwd: tmpdir(),
    env: { PATH: '/usr/bin:/bin', ...environment },
  });
  const run = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (run.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (run.err += chunk.toString()));
  child.stdin.end(input);
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, ...run })));
}
