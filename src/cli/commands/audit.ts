import type { AuditHead, AuditPage, AuditRow } from '../../audit/row.ts';
import { verifyChain } from '../../audit/verify.ts';
import { CliError, EXIT } from '../cli-error.ts';
import { type Command, type Context, textOption, type Values } from '../context.ts';
import { printable } from '../terminal.ts';

const PAGE_ROWS = 500;

export const AUDIT_VERIFY: Command = {
  name: 'audit verify',
  summary: 'check here that the record of what was opened is whole, row by row',
  options: {
    head: {
      type: 'string',
      help: 'SEQ:HASH that you noted down earlier: shows what was cut off or written anew',
    },
  },
  run: async (context, _positionals, values) => {
    const noted = headOf(values);
    const { userId, rows, head } = await wholeAudit(context);
    const verified = await verifyChain({
      userId,
      rows,
      heads: noted === null ? [head] : [head, noted],
    });
    const { terminal, json } = context;
    if (json) terminal.print(JSON.stringify({ ...verified, head }, null, 2));
    else {
      for (const { seq, message } of verified.problems)
        terminal.print(terminal.paint('red', `row ${seq}: ${printable(message)}`));
      if (verified.problems.length === 0)
        terminal.print(terminal.paint('green', `The audit is whole: ${verified.rows} rows.`));
      if (head.seq > 0)
        terminal.print(`Note its head for the next time: ${head.seq}:${printable(head.hash)}`);
    }
    if (verified.problems.length > 0) throw new CliError(EXIT.refused, 'The audit is not whole.');
  },
};

function headOf(values: Values): AuditHead | null {
  const text = textOption(values, 'head');
  if (text === undefined) return null;
  const [, seq, hash] = /^(\d{1,15}):([A-Za-z0-9_-]{43})$/.exec(text) ?? [];
  if (hash === undefined)
    throw new CliError(EXIT.usage, '--head wants SEQ:HASH as `audit verify` prints it.');
  return { seq: Number(seq), hash };
}

async function wholeAudit({
  api,
}: Context): Promise<{ userId: string; rows: AuditRow[]; head: AuditHead }> {
  const rows: AuditRow[] = [];
  for (let after = 0; ;) {
    const page = (await api.runner(
      `/api/v1/me/ai-audit?limit=${PAGE_ROWS}&after=${after}`,
    )) as AuditPage;
    rows.push(...page.rows);
    if (page.next === undefined) return { userId: page.userId, rows, head: page.head };
    if (page.next <= after)
      throw new CliError(EXIT.refused, 'The pages of the audit do not go on.');
    after = page.next;
  }
}
