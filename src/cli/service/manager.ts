import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { CliError, EXIT } from '../cli-error.ts';
import { LAUNCHD_LABEL, launchdPlist, SERVICE_NAME, type Service, systemdUnit } from './unit.ts';

/** One way to run a service: where its file stands, what is in it, and what makes it known. */
export type Manager = {
  file: string;
  text: string;
  /** programs to run after the file was written, before it is removed, and to ask for the state */
  afterInstall: readonly (readonly string[])[];
  beforeUninstall: readonly (readonly string[])[];
  status: readonly string[];
};

/** The manager of this platform. @param home the person's own folder @throws CliError on others */
export function managerFor(platform: string, service: Service, home: string): Manager {
  if (platform === 'linux') return systemd(service, home);
  if (platform === 'darwin') return launchd(service, home);
  throw new CliError(
    EXIT.refused,
    `A service is written for systemd (Linux) and launchd (macOS); this is ${platform}.`,
  );
}

function systemd(service: Service, home: string): Manager {
  const name = `${SERVICE_NAME}.service`;
  const systemctl = service.scope === 'user' ? ['systemctl', '--user'] : ['systemctl'];
  return {
    file:
      service.scope === 'user'
        ? `${home}/.config/systemd/user/${name}`
        : `/etc/systemd/system/${name}`,
    text: systemdUnit(service),
    afterInstall: [
      [...systemctl, 'daemon-reload'],
      [...systemctl, 'enable', '--now', name],
    ],
    beforeUninstall: [[...systemctl, 'disable', '--now', name]],
    status: [...systemctl, 'status', '--no-pager', name],
  };
}

function launchd(service: Service, home: string): Manager {
  const domain = service.scope === 'user' ? `gui/${process.getuid?.() ?? 0}` : 'system';
  const folder =
    service.scope === 'user' ? `${home}/Library/LaunchAgents` : '/Library/LaunchDaemons';
  const file = `${folder}/${LAUNCHD_LABEL}.plist`;
  return {
    file,
    text: launchdPlist(service),
    afterInstall: [['launchctl', 'bootstrap', domain, file]],
    beforeUninstall: [['launchctl', 'bootout', `${domain}/${LAUNCHD_LABEL}`]],
    status: ['launchctl', 'print', `${domain}/${LAUNCHD_LABEL}`],
  };
}

/** Writes the file and makes the manager start it. @throws CliError where one of them refuses */
export function install({ file, text, afterInstall }: Manager): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text, { mode: 0o644 });
  } catch {
    throw new CliError(
      EXIT.refused,
      `${file} cannot be written; a system service wants root (sudo), --user does not.`,
    );
  }
  for (const command of afterInstall) run(command);
}

/** Stops it and removes the file. @throws CliError where there is none */
export function uninstall({ file, beforeUninstall }: Manager): void {
  if (!existsSync(file))
    throw new CliError(EXIT.refused, `There is no service: ${file} is missing.`);
  for (const command of beforeUninstall) run(command);
  rmSync(file);
}

/** What the manager says; a service that is stopped is an answer, too. */
export function status({ file, status: command }: Manager): string {
  if (!existsSync(file))
    throw new CliError(EXIT.refused, `There is no service: ${file} is missing.`);
  const [program = '', ...args] = command;
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (thrown) {
    const { stdout } = thrown as { stdout?: string };
    if (stdout) return stdout;
    throw refusalOf(command);
  }
}

function run(command: readonly string[]): void {
  const [program = '', ...args] = command;
  try {
    execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch {
    throw refusalOf(command);
  }
}

function refusalOf(command: readonly string[]): CliError {
  return new CliError(EXIT.refused, `\`${command.join(' ')}\` fails; run it by hand to see why.`);
}
