import type { ReadRecord } from '../../carry-out/index.ts';
import { parseRecordRef } from '../../grants/index.ts';
import { CliError, EXIT } from '../cli-error.ts';
import type { Command } from '../context.ts';
import { OwnRecords } from '../own-records.ts';
import { valueText } from '../show.ts';
import { printable, table, type Terminal } from '../terminal.ts';

const LIST: Command = {
  name: 'records list',
  takes: '[MODULE]',
  summary: 'what you have here, of a module or of all, opened on this machine',
  run: async (context, [module]) => {
    const records = await new OwnRecords(context).all({ module });
    const { terminal, json } = context;
    if (json) return terminal.print(JSON.stringify({ records }, null, 2));
    if (records.length === 0) return terminal.print('There are no records.');
    terminal.print(listText(terminal, records));
  },
};

const SHOW: Command = {
  name: 'records show',
  takes: 'TABLE:ID',
  summary: 'one record with all its fields, opened on this machine',
  run: async (context, [typed = '']) => {
    if (parseRecordRef(typed) === null)
      throw new CliError(EXIT.usage, 'Which record? Give it as TABLE:ID, as in tasks:3f2a….');
    const found = await new OwnRecords(context).find([typed]);
    const { terminal, json } = context;
    if (found.length === 0) throw new CliError(EXIT.refused, `You have no record ${typed}.`);
    if (json) return terminal.print(JSON.stringify({ records: found }, null, 2));
    for (const record of found) terminal.print(recordText(terminal, record));
  },
};

export const RECORD_COMMANDS: readonly Command[] = [LIST, SHOW];

function listText(terminal: Terminal, records: readonly ReadRecord[]): string {
  const rows = records.map((record) => [
    `${record.table}:${record.recordId}`,
    record.appId,
    newestStamp(record).slice(0, 16).replace('T', ' '),
    nameOf(record),
  ]);
  return table(terminal, ['RECORD', 'MODULE', 'CHANGED', 'NAME'], rows);
}

function recordText(terminal: Terminal, record: ReadRecord): string {
  const fields = Object.entries(record.data).map(
    ([name, value]) =>
      `  ${terminal.paint('dim', printable(name).padEnd(18))} ${printable(valueText(value))}`,
  );
  const ref = `${record.appId} ${record.table}:${record.recordId}`;
  return [terminal.paint('bold', printable(ref)), ...fields].join('\n');
}

function newestStamp({ stamps = {} }: ReadRecord): string {
  return Object.values(stamps).toSorted().at(-1) ?? '';
}

/** The field that says most of a record. */
function nameOf({ data }: ReadRecord): string {
  const fields = ['title', 'name', 'firstName', 'questionText', 'description', 'content', 'text'];
  const named = fields.map((field) => data[field]).find((value) => (value ?? '') !== '');
  return valueText(named ?? '').slice(0, 60);
}
