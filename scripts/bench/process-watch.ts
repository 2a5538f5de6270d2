import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;
const LOOK_EVERY_MS = 250;

/** Of one process over a span of time. Memory in MB, `cpuSeconds` user and system together. */
export type ProcessFigures = { peakRssMb: number; peakFiles: number; cpuSeconds: number };

/**
 * Begins to watch a process by /proc (Linux); the returned function ends that and tells what was
 * seen.
 */
export function watchProcess(pid: number): () => ProcessFigures {
  const cpuBefore = cpuSeconds(pid);
  resetPeak(pid);
  let peakFiles = openFiles(pid);
  const timer = setInterval(() => {
    peakFiles = Math.max(peakFiles, openFiles(pid));
  }, LOOK_EVERY_MS);
  return () => {
    clearInterval(timer);
    return {
      peakRssMb: peakRssMb(pid),
      peakFiles: Math.max(peakFiles, openFiles(pid)),
      cpuSeconds: cpuSeconds(pid) - cpuBefore,
    };
  };
}

/** Resident memory now, in MB. */
export function rssMb(pid: number): number {
  return statusKb(pid, 'VmRSS') / 1024;
}

/** Seconds of processor time that a process has used since its start. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name in parentheses may hold anything; fields 14 and 15 are the 12th and 13th after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** The kernel keeps the peak itself, so no sampling misses it. */
function peakRssMb(pid: number): number {
  return statusKb(pid, 'VmHWM') / 1024;
}

/** proc(5): writing 5 to clear_refs resets the peak to what is resident now. */
function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

function statusKb(pid: number, name: string): number {
  const line = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(
    readFileSync(`/proc/${pid}/status`, 'utf8'),
  );
  return Number(line?.[1]);
}

function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/**
 * How often a process waited for the disk, and for how long in all; null where strace is missing or
 * may not attach.
 */
export type FsyncFigures = { count: number; seconds: number } | null;

/**
 * Counts fsync and fdatasync of all threads with strace; the returned function detaches and reads
 * its table.
 */
export async function watchFsyncs(pid: number): Promise<() => Promise<FsyncFigures>> {
  const strace = spawn(
    'strace',
    ['-f', '-c', '-w', '-e', 'trace=fsync,fdatasync', '-p', String(pid)],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  let text = '';
  const ended = new Promise<void>((done) => {
    strace.once('error', () => done());
    strace.once('close', () => done());
  });
  const attached = new Promise<void>((done) => {
    strace.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('attached')) done();
    });
  });
  await Promise.race([attached, ended]);
  return async () => {
    strace.kill('SIGINT');
    await ended;
    return readTable(text);
  };
}

/** Lines of `strace -c`: % time, seconds, usecs/call, calls, errors, syscall. */
function readTable(text: string): FsyncFigures {
  if (!text.includes('attached')) return null;
  const lines = [
    ...text.matchAll(/^\s*[\d.]+\s+([\d.]+)\s+\d+\s+(\d+)\s+(?:\d+\s+)?(?:fsync|fdatasync)$/gm),
  ];
  const sum = (group: number): number =>
    lines.reduce((total, line) => total + Number(line[group]), 0);
  return { count: sum(2), seconds: sum(1) };
}
