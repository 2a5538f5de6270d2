import { execFileSync, spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { parse } from 'plist';
import { describe, expect, test } from 'vitest';
import { projectPath } from '../../../scripts/process/project.ts';
import { managerFor } from '../../../src/cli/service/manager.ts';
import { launchdPlist, type Service, systemdUnit } from '../../../src/cli/service/unit.ts';

const SERVICE: Service = {
  scope: 'user',
  command: 'serve',
  node: '/opt/mana edge/100% $HOME "x"/node',
  project: '/opt/mana edge/100% $HOME "x"',
  runAs: null,
  logFile: '/Users/a & b/Library/Logs/mana.log',
};

function inFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(`${tmpdir()}/mana-edge-service-`);
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('the unit for systemd', () => {
  test.each(['user', 'system'] as const)('of a %s is one that systemd understands', (scope) => {
    inFolder((folder) => {
      const project = `${folder}/mana edge 100% $HOME`;
      mkdirSync(`${project}/scripts`, { recursive: true });
      writeFileSync(`${project}/node`, '#!/bin/sh\n', { mode: 0o755 });
      const runAs = scope === 'system' ? 'root' : null;
      const unit = systemdUnit({ ...SERVICE, scope, project, node: `${project}/node`, runAs });
      writeFileSync(`${folder}/mana-edge.service`, unit);
      const verified = execFileSync('systemd-analyze', ['verify', `${folder}/mana-edge.service`], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      expect(verified).toBe('');
    });
  });

  test('restarts for ever, drains before it ends, and runs as the person who asked', () => {
    const unit = systemdUnit({ ...SERVICE, scope: 'system', runAs: 'ann' });
    expect(unit).toMatch(/^Restart=always$/m);
    expect(unit).toMatch(/^StartLimitIntervalSec=0$/m);
    expect(unit).toMatch(/^KillMode=mixed$/m);
    expect(unit).toMatch(/^User=ann$/m);
    expect(unit).toContain('ExecStart="/opt/mana edge/100%% $HOME \\"x\\"/node"');
  });
});

describe('the property list for launchd', () => {
  test('is one, whatever signs its paths hold', () => {
    const read = parse(launchdPlist(SERVICE)) as Record<string, unknown>;
    expect(read).toMatchObject({
      Label: 'org.mana-edge.runner',
      KeepAlive: true,
      RunAtLoad: true,
      WorkingDirectory: SERVICE.project,
    });
    expect(read['ProgramArguments']).toEqual([
      SERVICE.node,
      `${SERVICE.project}/scripts/process/logged.ts`,
      SERVICE.logFile,
      `${SERVICE.project}/scripts/serve.ts`,
    ]);
  });
});

test('no service is written where neither of the two is', () => {
  expect(() => managerFor('win32', SERVICE, '/home/ann')).toThrow(/systemd.*launchd/);
});

test('install --print shows the file and writes nothing', () => {
  inFolder((home) => {
    const printed = execFileSync(
      process.execPath,
      [projectPath('bin/mana-edge.js'), 'service', 'install', '--print'],
      { encoding: 'utf8', env: { HOME: home, PATH: process.env['PATH'] } },
    );
    expect(printed).toContain('scripts/serve.ts');
    expect(readdirSync(home)).toEqual([]);
  });
});

test('a logged program writes to its file, which is rotated, and ends with it', async () => {
  const folder = mkdtempSync(`${tmpdir()}/mana-edge-logged-`);
  try {
    writeFileSync(
      `${folder}/program.ts`,
      `for (let line = 0; line < 12; line += 1) process.stdout.write('x'.repeat(1_000_000) + '\\n');
process.exitCode = 7;`,
    );
    const logged = projectPath('scripts/process/logged.ts');
    const child = spawn(process.execPath, [
      logged,
      `${folder}/log/mana.log`,
      `${folder}/program.ts`,
    ]);
    const code = await new Promise((done) => child.once('exit', done));
    expect(code).toBe(7);
    const files = readdirSync(`${folder}/log`).filter((name) => name.includes('mana.log'));
    expect(files.length).toBeGreaterThan(1);
    const bytes = files.map((name) => statSync(`${folder}/log/${name}`).size);
    expect(Math.max(...bytes)).toBeLessThan(12_000_000);
    expect(readFileSync(`${folder}/log/mana.log`, 'utf8')).toMatch(/x\n$/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
