import { parseArgs } from 'node:util';
import { createApi } from './api.ts';
import { CliError, EXIT, type ExitCode } from './cli-error.ts';
import { AUDIT_VERIFY } from './commands/audit.ts';
import { GRANT_COMMANDS } from './commands/grants.ts';
import { LOGIN } from './commands/login.ts';
import { MISSION_COMMANDS } from './commands/missions.ts';
import { RECORD_COMMANDS } from './commands/records.ts';
import { REVIEW } from './commands/review.ts';
import { SERVICE_COMMANDS } from './commands/service.ts';
import { STATUS } from './commands/status.ts';
import type { Command, CommandWords, LocalCommand, Values } from './context.ts';
import { createOpener } from './opener.ts';
import { COMMON_OPTIONS, readSettings } from './settings.ts';
import { processTerminal, type Terminal } from './terminal.ts';

/** Every command, in the order of the help. */
export const COMMANDS: readonly (Command | LocalCommand)[] = [
  ...MISSION_COMMANDS,
  REVIEW,
  ...RECORD_COMMANDS,
  ...GRANT_COMMANDS,
  AUDIT_VERIFY,
  STATUS,
  LOGIN,
  ...SERVICE_COMMANDS,
];

const COMMON_HELP = [
  ['--json', 'print JSON, for programs'],
  [
    '--url URL',
    'the runner; else MANA_URL, else what `npm start` left in MANA_DATA_DIR, else port 3066 of this machine',
  ],
  ['--auth-url URL', 'mana-auth; else MANA_AUTH_URL, likewise, port 3001'],
  ['--token-file FILE', 'your user token; else MANA_TOKEN, else the one of `npm start`'],
  [
    '--key-file FILE',
    'your master key, base64; else MANA_MASTER_KEY_FILE, else the vault at mana-auth',
  ],
  ['-h, --help', 'this help; after a command, of that command'],
] as const;

/**
 * The command without its process: what it is given and where it prints. Never throws for what a
 * person can mend.
 */
export async function runCli(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  terminal: Terminal,
): Promise<ExitCode> {
  try {
    return await dispatch(args, environment, terminal);
  } catch (thrown) {
    if (!(thrown instanceof CliError)) throw thrown;
    terminal.note(`mana-edge: ${thrown.message}`);
    return thrown.exitCode;
  }
}

async function dispatch(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  terminal: Terminal,
): Promise<ExitCode> {
  const command = commandOf(args);
  if (command === null) return helpWithout(args, terminal);
  const { values, positionals } = readArguments(
    command,
    args.slice(command.name.split(' ').length),
  );
  if (values['help'] === true) {
    terminal.print(helpOf(command));
    return EXIT.done;
  }
  if ('runHere' in command) {
    command.runHere(terminal, values);
    return EXIT.done;
  }
  const settings = readSettings(values, environment, command);
  const api = createApi(settings);
  const opener = createOpener(api, settings.keyFile, (text) => terminal.note(text));
  await command.run({ api, opener, terminal, json: values['json'] === true }, positionals, values);
  return EXIT.done;
}

function commandOf(args: readonly string[]): Command | LocalCommand | null {
  return (
    COMMANDS.find(({ name }) => name === args.slice(0, name.split(' ').length).join(' ')) ?? null
  );
}

/** Asked for, the help is an answer; else it follows a mistake. */
function helpWithout(args: readonly string[], terminal: Terminal): ExitCode {
  const group = COMMANDS.filter(({ name }) => name.startsWith(`${args[0] ?? ''} `));
  const asked =
    args.length === 0 || args.includes('--help') || args.includes('-h') || args[0] === 'help';
  if (!asked) {
    throw new CliError(
      EXIT.usage,
      `There is no command ${args.slice(0, 2).join(' ')}.\n\n${overview(group.length > 0 ? group : COMMANDS)}`,
    );
  }
  terminal.print(overview(group.length > 0 ? group : COMMANDS));
  return EXIT.done;
}

function readArguments(
  command: CommandWords,
  args: readonly string[],
): { values: Values; positionals: string[] } {
  const own = Object.entries(command.options ?? {}).map(([name, { type, multiple = false }]) => [
    name,
    { type, multiple },
  ]);
  try {
    const options = {
      ...COMMON_OPTIONS,
      ...(Object.fromEntries(own) as Record<
        string,
        { type: 'string' | 'boolean'; multiple: boolean }
      >),
    };
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    const most = command.takes === undefined ? 0 : 1;
    if (positionals.length > most)
      throw new Error(`${positionals[most] ?? ''} is too much; put words in quotes`);
    return { values, positionals };
  } catch (thrown) {
    throw new CliError(
      EXIT.usage,
      `${thrown instanceof Error ? thrown.message : 'unreadable arguments'}\n\n${helpOf(command)}`,
    );
  }
}

function overview(commands: readonly CommandWords[]): string {
  const lines = commands.map(
    ({ name, takes, summary }) =>
      [`${name}${takes === undefined ? '' : ` ${takes}`}`, summary] as const,
  );
  return `mana-edge: missions from the command line\n\n${columns(lines)}\n\n${columns(COMMON_HELP)}\n\nexit code 0: done   1: refused, or something is wrong   2: wrong usage   3: not reachable`;
}

function helpOf({ name, takes = '', summary, options = {} }: CommandWords): string {
  const own = Object.entries(options).map(
    ([option, { type, help }]) => [`--${option}${type === 'string' ? ' TEXT' : ''}`, help] as const,
  );
  return `mana-edge ${name} ${takes}\n  ${summary}\n\n${columns([...own, ...COMMON_HELP])}`;
}

function columns(lines: readonly (readonly [string, string])[]): string {
  const width = Math.max(...lines.map(([left]) => left.length));
  return lines.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n');
}

/** The process: arguments, environment and streams are the real ones. */
export async function main(): Promise<void> {
  const terminal = processTerminal();
  process.exitCode = await runCli(process.argv.slice(2), process.env, terminal);
  terminal.close();
}
