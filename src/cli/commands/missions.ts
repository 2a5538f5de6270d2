import { randomUUID } from 'node:crypto';
import type { OwnerMission } from '../../missions/views.ts';
import { parseCadenceWords } from '../cadence-words.ts';
import { CliError, EXIT } from '../cli-error.ts';
import {
  type Command,
  type Context,
  missionPath,
  storedMission,
  storedMissions,
  textOption,
  type Values,
} from '../context.ts';
import { missionTable, missionText } from '../show.ts';

const LOOK_EVERY_MS = 1_000;
const LONGEST_RUN_MS = 10 * 60_000;

const FIELDS = {
  title: { type: 'string', help: 'a short name' },
  cadence: {
    type: 'string',
    help: "'manual' (default), 'every 90m', 'every 6h', 'daily 09:00', 'mon 08:30', or five fields of cron",
  },
  zone: { type: 'string', help: 'IANA time zone of the cadence; yours where left out' },
  agent: { type: 'string', help: 'id of an agent' },
} as const;

const list: Command = {
  name: 'missions list',
  summary: 'your missions, what they do, and why one does not run',
  run: async (context) => {
    const missions = await Promise.all(
      (await storedMissions(context)).map((mission) => context.opener.open(mission)),
    );
    print(context, { missions }, () => missionTable(context.terminal, missions));
  },
};

const show: Command = {
  name: 'missions show',
  takes: 'ID',
  summary: 'one mission with its newest plans; of an ID its beginning will do',
  run: async (context, [id]) => printMission(context, await storedMission(context, id)),
};

const add: Command = {
  name: 'missions add',
  takes: 'OBJECTIVE',
  summary: 'a new mission',
  options: {
    ...FIELDS,
    input: {
      type: 'string',
      multiple: true,
      help: 'a record that it reads, as module:table:id; may be repeated',
    },
    encrypt: { type: 'boolean', help: 'encrypt its texts here; it then needs a grant' },
    grant: { type: 'boolean', help: 'let the runner read its inputs, and its texts, for 7 days' },
  },
  run: async (context, [objective], values) => {
    if (objective === undefined)
      throw new CliError(EXIT.usage, 'What shall it do? Give the objective, in quotes.');
    const id = randomUUID();
    const inputs = inputsOf(values);
    const texts = { objective, ...given('title', textOption(values, 'title')) };
    const sealed = values['encrypt'] === true ? await context.opener.seal(id, texts) : texts;
    const grant = values['grant'] === true ? await mintGrant(context, id, inputs) : undefined;
    const body = { id, ...sealed, ...fieldsOf(values), ...given('grant', grant), inputs };
    await printAnswer(
      context,
      await context.api.runner('/api/v1/me/missions', { method: 'POST', body }),
    );
  },
};

const change: Command = {
  name: 'missions change',
  takes: 'ID',
  summary: 'change its title, objective, cadence or agent',
  options: { ...FIELDS, objective: { type: 'string', help: 'what it shall do' } },
  run: async (context, [id], values) => {
    const mission = await storedMission(context, id);
    const texts = {
      ...given('title', textOption(values, 'title')),
      ...given('objective', textOption(values, 'objective')),
    };
    const wasSealed = `${mission.title}${mission.objective}`.includes('enc:2:');
    // What was encrypted stays so.
    const body = {
      ...(wasSealed ? await context.opener.seal(mission.id, texts) : texts),
      ...fieldsOf(values),
    };
    if (Object.keys(body).length === 0)
      throw new CliError(EXIT.usage, 'What shall change? See --help.');
    await printAnswer(
      context,
      await context.api.runner(missionPath(mission.id), { method: 'PATCH', body }),
    );
  },
};

const run: Command = {
  name: 'missions run',
  takes: 'ID',
  summary: 'make it due now',
  options: {
    wait: { type: 'boolean', help: 'wait for the plan, at most 10 minutes, and show it' },
  },
  run: async (context, [id], values) => {
    const before = await storedMission(context, id);
    const answer = await context.api.runner(missionPath(before.id, '/run'), { method: 'POST' });
    if (values['wait'] !== true) return printAnswer(context, answer);
    await printMission(context, await planned(context, before));
  },
};

const remove: Command = {
  name: 'missions delete',
  takes: 'ID',
  summary: 'delete it',
  run: async (context, [id]) => {
    const mission = await storedMission(context, id);
    await context.api.runner(missionPath(mission.id), { method: 'DELETE' });
    print(context, { deleted: mission.id }, () => `${mission.id} is deleted.`);
  },
};

const simple = (verb: 'pause' | 'resume', summary: string): Command => ({
  name: `missions ${verb}`,
  takes: 'ID',
  summary,
  run: async (context, [id]) => {
    const mission = await storedMission(context, id);
    await printAnswer(
      context,
      await context.api.runner(missionPath(mission.id, `/${verb}`), { method: 'POST' }),
    );
  },
});

export const MISSION_COMMANDS: readonly Command[] = [
  list,
  show,
  add,
  change,
  run,
  simple('pause', 'pause it'),
  simple('resume', 'go on with its next regular time'),
  remove,
];

async function planned(context: Context, before: OwnerMission): Promise<OwnerMission> {
  const known = before.iterations.length;
  for (let waitedMs = 0; waitedMs < LONGEST_RUN_MS; waitedMs += LOOK_EVERY_MS) {
    const now = await storedMission(context, before.id);
    if (now.iterations.length > known) return now;
    if (now.status === 'waiting') {
      throw new CliError(
        EXIT.refused,
        `It waits (${now.reason ?? 'for no reason that is known'}); \`missions show\` tells more.`,
      );
    }
    await context.terminal.sleep(LOOK_EVERY_MS);
  }
  throw new CliError(
    EXIT.refused,
    'There is no plan after 10 minutes; `missions show` tells how it stands.',
  );
}

async function mintGrant(
  { api }: Context,
  missionId: string,
  inputs: readonly InputRef[],
): Promise<unknown> {
  const records = inputs.map(({ table, id }) => ({ table, record: `${table}:${id}` }));
  if (records.length === 0)
    throw new CliError(EXIT.usage, '--grant wants at least one --input to grant.');
  const tables = [...new Set(records.map(({ table }) => table))];
  const recordIds = [...new Set(records.map(({ record }) => record))];
  return api.auth('/api/v1/me/ai-mission-grant', {
    method: 'POST',
    body: { missionId, tables, recordIds },
  });
}

type InputRef = { module: string; table: string; id: string };

function inputsOf(values: Values): InputRef[] {
  const typed = values['input'];
  return (Array.isArray(typed) ? typed.map(String) : []).map((text) => {
    const [, module, table, id] = /^([^:]+):([^:]+):(.+)$/.exec(text) ?? [];
    if (module === undefined || table === undefined || id === undefined) {
      throw new CliError(
        EXIT.usage,
        `--input wants module:table:id, such as notes:notes:3f2a; ${text} is none.`,
      );
    }
    return { module, table, id };
  });
}

function fieldsOf(values: Values): Record<string, unknown> {
  const words = textOption(values, 'cadence');
  const zone = textOption(values, 'zone');
  if (zone !== undefined && words === undefined)
    throw new CliError(EXIT.usage, '--zone belongs to a --cadence.');
  return {
    ...given('cadence', words === undefined ? undefined : parseCadenceWords(words, zone)),
    ...given('agentId', textOption(values, 'agent')),
  };
}

function given(name: string, value: unknown): Record<string, unknown> {
  return value === undefined ? {} : { [name]: value };
}

async function printAnswer(context: Context, answer: unknown): Promise<void> {
  await printMission(context, (answer as { mission: OwnerMission }).mission);
}

async function printMission(context: Context, stored: OwnerMission): Promise<void> {
  const mission = await context.opener.open(stored);
  print(context, { mission }, () => missionText(context.terminal, mission));
}

function print({ terminal, json }: Context, value: unknown, text: () => string): void {
  terminal.print(json ? JSON.stringify(value, null, 2) : text());
}
