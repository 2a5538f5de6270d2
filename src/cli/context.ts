import type { OwnerMission } from '../missions/views.ts';
import type { Api } from './api.ts';
import { CliError, EXIT } from './cli-error.ts';
import type { Opener } from './opener.ts';
import type { Terminal } from './terminal.ts';

/** What a command works with. */
export type Context = { api: Api; opener: Opener; terminal: Terminal; json: boolean };

export type Values = Readonly<
  Record<string, string | boolean | readonly (string | boolean)[] | undefined>
>;

/** What the help shows of a command. */
export type CommandWords = {
  /** `missions add` */
  name: string;
  /** positional arguments, as the help shows them */
  takes?: string;
  summary: string;
  /** true: it can do without a user token */
  anonymous?: true;
  options?: Readonly<
    Record<string, { type: 'string' | 'boolean'; multiple?: boolean; help: string }>
  >;
};

/** A command that asks no Worker and so needs no token. Throws CliError. */
export type LocalCommand = CommandWords & {
  runHere(terminal: Terminal, values: Values): void;
};

/** One command: its words, what it takes, what it does. Throws CliError. */
export type Command = CommandWords & {
  run(context: Context, positionals: readonly string[], values: Values): Promise<void>;
};

/**
 * All missions of the caller as the server has them: digests are made of these, not of opened ones.
 */
export async function storedMissions({ api }: Context): Promise<OwnerMission[]> {
  return ((await api.runner('/api/v1/me/missions')) as { missions: OwnerMission[] }).missions;
}

/** The mission whose id is, or uniquely begins with, what was typed. Throws CliError. */
export async function storedMission(
  context: Context,
  typed: string | undefined,
): Promise<OwnerMission> {
  if (typed === undefined)
    throw new CliError(EXIT.usage, 'Which mission? Give its id, or how it begins.');
  const all = await storedMissions(context);
  const exact = all.filter(({ id }) => id === typed);
  const found = exact.length > 0 ? exact : all.filter(({ id }) => id.startsWith(typed));
  const [mission] = found;
  if (mission === undefined) throw new CliError(EXIT.refused, `You have no mission ${typed}.`);
  if (found.length > 1)
    throw new CliError(
      EXIT.usage,
      `${typed} is how several missions begin: ${found.map(({ id }) => id).join(', ')}.`,
    );
  return mission;
}

/** A path of one mission. */
export function missionPath(id: string, rest = ''): string {
  return `/api/v1/me/missions/${encodeURIComponent(id)}${rest}`;
}

/** The value of a text option; undefined where it was not given. */
export function textOption(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}
