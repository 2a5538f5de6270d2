/**
 * Runs a program of ours with its output in a file that is rotated: for launchd, which does not
 * rotate what it writes. `logged.ts LOG_FILE PROGRAM`
 */
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { createStream } from 'rotating-file-stream';

const [logFile = '', program = ''] = process.argv.slice(2);
mkdirSync(dirname(logFile), { recursive: true });
const log = createStream(basename(logFile), {
  path: dirname(logFile),
  size: '10M',
  maxFiles: 5,
  mode: 0o600,
});
const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'pipe'] });
for (const output of [child.stdout, child.stderr]) output.pipe(log, { end: false });
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => child.kill(signal));
child.once('close', (code) => log.end(() => process.exit(code ?? 1)));
