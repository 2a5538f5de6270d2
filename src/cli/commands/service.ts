import { existsSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { fileURLToPath } from 'node:url';
import { CliError, EXIT } from '../cli-error.ts';
import type { LocalCommand, Values } from '../context.ts';
import { install, type Manager, managerFor, status, uninstall } from '../service/manager.ts';
import { LAUNCHD_LABEL, type Service } from '../service/unit.ts';

const OPTIONS = {
  user: { type: 'boolean', help: 'for the person who is signed in (default)' },
  system: { type: 'boolean', help: "from the machine's start; wants root" },
} as const;

export const SERVICE_COMMANDS: readonly LocalCommand[] = [
  {
    name: 'service install',
    summary: 'run `npm run serve` as a service of systemd or launchd',
    options: {
      ...OPTIONS,
      start: { type: 'boolean', help: 'run `npm start` instead, with its own database' },
      print: { type: 'boolean', help: 'show what would be written, and write nothing' },
    },
    runHere: (terminal, values) => {
      const manager = managerOf(values);
      terminal.print(`# ${manager.file}\n${manager.text}`);
      if (values['print'] === true) return;
      install(manager);
      terminal.print(`It runs. See: npx mana-edge service status${scopeWords(values)}`);
    },
  },
  {
    name: 'service status',
    summary: 'what systemd or launchd says of it',
    options: OPTIONS,
    runHere: (terminal, values) => terminal.print(status(managerOf(values)).trimEnd()),
  },
  {
    name: 'service uninstall',
    summary: 'stop it and remove its file; data and .env stay',
    options: OPTIONS,
    runHere: (terminal, values) => {
      const manager = managerOf(values);
      uninstall(manager);
      terminal.print(`Removed ${manager.file}. Data and .env are as they were.`);
    },
  },
];

function scopeWords(values: Values): string {
  return values['system'] === true ? ' --system' : '';
}

function managerOf(values: Values): Manager {
  if (values['user'] === true && values['system'] === true)
    throw new CliError(EXIT.usage, 'Give --user or --system, not both.');
  return managerFor(process.platform, serviceOf(values), homedir());
}

function serviceOf(values: Values): Service {
  const project = projectFolder();
  const isSystem = values['system'] === true;
  const logs = isSystem ? '/Library/Logs' : `${homedir()}/Library/Logs`;
  return {
    scope: isSystem ? 'system' : 'user',
    command: values['start'] === true ? 'start' : 'serve',
    node: `${project}/node_modules/node/bin/node`,
    project,
    // A runner needs no rights of root: it runs as who called sudo.
    runAs: isSystem ? (process.env['SUDO_USER'] ?? userInfo().username) : null,
    logFile: `${logs}/${LAUNCHD_LABEL}.log`,
  };
}

/** The service runs the checkout that this command belongs to, with the Node that it pins. */
function projectFolder(): string {
  const project = fileURLToPath(new URL('../../../', import.meta.url).href).replace(/\/$/, '');
  if (
    existsSync(`${project}/scripts/serve.ts`) &&
    existsSync(`${project}/node_modules/node/bin/node`)
  )
    return project;
  throw new CliError(
    EXIT.refused,
    'A service runs a checkout: clone the repository, run `npm ci` there, and repeat this in it.',
  );
}
