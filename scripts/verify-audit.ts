/**
 * `npm run verify-audit -- FILE.json`: checks an audit from its export alone, without the server
 * that wrote it.
 */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { pathToFileURL } from 'node:url';
import { AuditExportError, parseExport } from '../src/audit/export.ts';
import type { AuditHead } from '../src/audit/row.ts';
import { type Verification, verifyChain } from '../src/audit/verify.ts';

const USAGE = `npm run verify-audit -- FILE.json [FILE.json ...] [--head SEQ:HASH] [--user ID]

  FILE     what GET /api/v1/me/ai-audit answered: a page, an array of pages, or one page on each line; all pages of a user
           together, without missionId
  --head   a head that you noted down earlier; repeat it for several. Without one, rows cut off the end show only against
           the head in the export
  --user   whose audit it is, where the export does not say so

exit code 0: the chain is whole   1: it is not, and the lines say what is wrong where   2: it could not be checked`;

/** Nothing was checked; the message says why. */
class UsageError extends Error {
  override name = 'UsageError';
}

export type VerifyReport = { exitCode: 0 | 1 | 2; lines: string[] };

/** The command without its process: what it prints, and its exit code. */
export async function verifyAudit(args: readonly string[]): Promise<VerifyReport> {
  try {
    const { values, positionals } = readArguments(args);
    if (values.help) return { exitCode: 0, lines: [USAGE] };
    const exported = parseExport(await Promise.all(positionals.map(readText)));
    const userId = values.user ?? exported.userId;
    if (userId === null)
      throw new UsageError('the export does not say whose audit it is: add --user ID');
    const heads = [...exported.heads, ...values.head.map(parseHead)];
    const verification = await verifyChain({ userId, rows: exported.rows, heads });
    return report(verification, exported.missingAfter, heads.length > 0);
  } catch (thrown) {
    if (thrown instanceof UsageError || thrown instanceof AuditExportError) {
      return { exitCode: 2, lines: [`verify-audit: ${thrown.message}`] };
    }
    throw thrown;
  }
}

type Arguments = {
  values: { head: string[]; user?: string | undefined; help: boolean };
  positionals: string[];
};

function readArguments(args: readonly string[]): Arguments {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        head: { type: 'string', multiple: true, default: [] },
        user: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (positionals.length === 0 && !values.help) throw new UsageError(`which file?\n\n${USAGE}`);
    return { values, positionals };
  } catch (thrown) {
    if (thrown instanceof UsageError) throw thrown;
    throw new UsageError(
      `${thrown instanceof Error ? thrown.message : 'unreadable arguments'}\n\n${USAGE}`,
    );
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    throw new UsageError(`${path} cannot be read`);
  }
}

function parseHead(text: string): AuditHead {
  const match = /^(\d{1,15}):([A-Za-z0-9_-]{43})$/.exec(text);
  if (match === null)
    throw new UsageError(`--head wants SEQ:HASH, as in the "head" of an answer; ${text} is none`);
  return { seq: Number(match[1]), hash: match[2] ?? '' };
}

function report(
  { problems, rows, firstSeq, lastSeq, pending }: Verification,
  missingAfter: number | null,
  hasHead: boolean,
): VerifyReport {
  const lines = problems.map(({ seq, code, message }) => `row ${seq}: ${code}: ${message}`);
  if (missingAfter !== null)
    lines.push(
      `incomplete: the export ends in the middle; fetch the page with after=${missingAfter} too`,
    );
  if (problems.some(({ code }) => code === 'gap')) {
    lines.push('An export that was filtered by missionId has gaps: export it without.');
  }
  if (pending > 0)
    lines.push(`${pending} attempts have no outcome: their runs were cut off, or still go on.`);
  if (!hasHead) lines.push('No head is known: rows cut off the end would not show.');
  const broken = problems.length > 0 || missingAfter !== null;
  const range =
    firstSeq === null || lastSeq === null ? 'no rows' : `${rows} rows, ${firstSeq} to ${lastSeq}`;
  return {
    exitCode: broken ? 1 : 0,
    lines: [...lines, `${broken ? 'BROKEN' : 'whole'}: ${range}`],
  };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { exitCode, lines } = await verifyAudit(process.argv.slice(2));
  (exitCode === 0 ? console.log : console.error)(lines.join('\n'));
  process.exitCode = exitCode;
}
