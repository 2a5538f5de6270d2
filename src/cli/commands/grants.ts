import { CliError, EXIT } from '../cli-error.ts';
import type { Command, Context } from '../context.ts';
import { type Cell, table } from '../terminal.ts';

const PATH = '/api/v1/me/ai-mission-grant';

type Grant = {
  grantId: string;
  missionId: string;
  records: string[];
  llm: string;
  expiresAt: string;
  revokedAt?: string;
};

const list: Command = {
  name: 'grants list',
  summary: 'which missions may read which of your records, and until when',
  run: async (context) => {
    const grants = await grantsOf(context);
    const { terminal, json } = context;
    if (json) return terminal.print(JSON.stringify({ grants }, null, 2));
    if (grants.length === 0) return terminal.print('There are no grants.');
    const rows = grants.map((grant): Cell[] => [
      grant.grantId,
      stateOf(grant),
      grant.expiresAt,
      grant.llm,
      grant.missionId,
      grant.records.join(', '),
    ]);
    terminal.print(table(terminal, ['ID', 'STATE', 'UNTIL', 'MODEL', 'MISSION', 'RECORDS'], rows));
  },
};

const revoke: Command = {
  name: 'grants revoke',
  takes: 'ID',
  summary: 'end a grant now and erase its keys; of an ID its beginning will do',
  run: async (context, [typed]) => {
    if (typed === undefined)
      throw new CliError(EXIT.usage, 'Which grant? Give its id, or how it begins.');
    const found = (await grantsOf(context)).filter(({ grantId }) => grantId.startsWith(typed));
    const [grant] = found;
    if (grant === undefined) throw new CliError(EXIT.refused, `You have no grant ${typed}.`);
    if (found.length > 1) throw new CliError(EXIT.usage, `${typed} is how several grants begin.`);
    await context.api.auth(`${PATH}/${encodeURIComponent(grant.grantId)}`, { method: 'DELETE' });
    const { terminal, json } = context;
    terminal.print(
      json
        ? JSON.stringify({ revoked: grant.grantId })
        : `${grant.grantId} is revoked, its keys are erased.`,
    );
  },
};

export const GRANT_COMMANDS: readonly Command[] = [list, revoke];

async function grantsOf({ api }: Context): Promise<Grant[]> {
  return ((await api.auth(PATH)) as { grants: Grant[] }).grants;
}

function stateOf({ revokedAt, expiresAt }: Grant): Cell {
  if (revokedAt !== undefined) return { text: 'revoked', colour: 'red' };
  return Date.parse(expiresAt) <= Date.now()
    ? { text: 'expired', colour: 'dim' }
    : { text: 'in force', colour: 'green' };
}
