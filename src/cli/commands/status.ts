import { CliError, EXIT } from '../cli-error.ts';
import { type Command, type Context, storedMissions } from '../context.ts';
import { printable } from '../terminal.ts';

type Component = { ok: boolean; since?: string; error?: { code: string; message: string } };
type Health = {
  status: string;
  postgres: Component;
  llm?: Component & { locality: string; tools?: string };
  workerd?: string | null;
};

export const STATUS: Command = {
  name: 'status',
  summary: 'whether everything works; with MANA_SERVICE_KEY also the queue, in words',
  run: async (context) => {
    const { api, terminal, json } = context;
    const runner = (await api.runner('/health')) as Health;
    const auth = (await api.auth('/health')) as Health;
    const operator = (await api.operator('/internal/status')) as { words: string[] } | null;
    const missions = await countMissions(context);
    if (json)
      terminal.print(JSON.stringify({ runner, auth, words: operator?.words, missions }, null, 2));
    else {
      line(context, 'runner', runner.postgres.ok, 'PostgreSQL', runner.postgres);
      if (runner.llm !== undefined) {
        const silent =
          runner.llm.ok && runner.llm.tools === undefined ? ', which has not answered yet' : '';
        line(
          context,
          'runner',
          runner.llm.ok,
          `the language model (${runner.llm.locality})${silent}`,
          runner.llm,
        );
      }
      line(context, 'grants', auth.postgres.ok, 'PostgreSQL', auth.postgres);
      if (runner.workerd)
        terminal.print(`Rules of time zones: those of workerd ${printable(runner.workerd)}.`);
      for (const word of operator?.words ?? []) terminal.print(`- ${printable(word)}`);
      terminal.print(missions);
    }
    if (runner.status !== 'ok' || auth.status !== 'ok')
      throw new CliError(EXIT.refused, 'Something does not work.');
  },
};

async function countMissions(context: Context): Promise<string> {
  const missions = await storedMissions(context);
  const active = missions.filter(({ state }) => state === 'active').length;
  return `${missions.length} missions of yours, ${active} active.`;
}

function line(
  { terminal }: Context,
  worker: string,
  ok: boolean,
  name: string,
  { since, error }: Component,
): void {
  const state = ok ? terminal.paint('green', 'ok') : terminal.paint('red', 'down');
  const why =
    error === undefined
      ? ''
      : `: ${error.message} [${error.code}]${since === undefined ? '' : `, since ${since}`}`;
  terminal.print(`${worker.padEnd(7)} ${state}  ${name}${printable(why)}`);
}
