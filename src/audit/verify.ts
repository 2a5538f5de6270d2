import { CanonicalJsonError, rowHash } from './hash.ts';
import type { AuditHead, AuditRow } from './row.ts';

export type ProblemCode =
  | 'gap'
  | 'fork'
  | 'altered-row'
  | 'broken-link'
  | 'misplaced-checkpoint'
  | 'wrong-status'
  | 'outcome-without-attempt'
  | 'truncated'
  | 'head-differs'
  | 'head-not-checkable';

/** `seq` is the row at which the chain is wrong; `message` is a sentence for people. */
export type Problem = { seq: number; code: ProblemCode; message: string };

/** `pending` counts attempts without an outcome: their run was cut off before it. */
export type Verification = {
  problems: Problem[];
  rows: number;
  firstSeq: number | null;
  lastSeq: number | null;
  pending: number;
};

export type Chain = {
  userId: string;
  /** in any order; the same row may stand in two pages */
  rows: readonly AuditRow[];
  /** heads that somebody knows: the one of the API, or one that was noted down earlier */
  heads: readonly AuditHead[];
};

/**
 * Checks a user's whole audit, from its first row or a checkpoint to its end. It finds every row
 * that was changed, left out, put in or exchanged, and what contradicts a known head. It cannot
 * find rows that were cut off the end if no head is known, nor a chain that was rewritten as a
 * whole.
 */
export async function verifyChain({ userId, rows, heads }: Chain): Promise<Verification> {
  const ordered = withoutCopies(rows);
  const outcomes = checkOutcomes(ordered);
  const problems = [...(await checkLinks(userId, ordered)), ...outcomes.problems];
  for (const head of heads) problems.push(...checkHead(ordered, head));
  return {
    problems: problems.toSorted((a, b) => a.seq - b.seq),
    rows: ordered.length,
    firstSeq: ordered[0]?.seq ?? null,
    lastSeq: ordered.at(-1)?.seq ?? null,
    pending: outcomes.pending,
  };
}

/** The rows by seq. If the same row was read twice, word for word, it counts once. */
function withoutCopies(rows: readonly AuditRow[]): AuditRow[] {
  const seen = new Set<string>();
  return rows
    .filter((row) => {
      const text = JSON.stringify(row, Object.keys(row).toSorted());
      return !seen.has(text) && seen.add(text);
    })
    .toSorted((a, b) => a.seq - b.seq);
}

async function checkLinks(userId: string, rows: readonly AuditRow[]): Promise<Problem[]> {
  const problems: Problem[] = [];
  let last: AuditHead = { seq: 0, hash: '' };
  for (const [index, row] of rows.entries()) {
    problems.push(...(row.kind === 'checkpoint' && index === 0 ? [] : checkPlace(row, last)));
    problems.push(...(await checkContent(userId, row)));
    last = { seq: row.seq, hash: row.hash };
  }
  return problems;
}

function checkPlace(row: AuditRow, last: AuditHead): Problem[] {
  const { seq } = row;
  if (seq === last.seq)
    return [{ seq, code: 'fork', message: `two different rows claim the place ${seq}` }];
  if (seq > last.seq + 1) {
    const missing =
      seq === last.seq + 2 ? `row ${last.seq + 1} is` : `rows ${last.seq + 1} to ${seq - 1} are`;
    return [{ seq, code: 'gap', message: `${missing} missing` }];
  }
  if (row.kind === 'checkpoint') return [];
  if (row.prevHash === last.hash) return [];
  const message =
    last.seq === 0
      ? `row ${seq} names a predecessor, but is the first`
      : `row ${seq} does not continue row ${last.seq}: one of the two was exchanged, or the log was restored from a backup`;
  return [{ seq, code: 'broken-link', message }];
}

async function checkContent(userId: string, row: AuditRow): Promise<Problem[]> {
  const { seq, kind, status } = row;
  // A checkpoint has no content of its own to hash. The row after it names the hash that it
  // carries.
  if (kind === 'checkpoint') return [];
  const problems: Problem[] = [];
  if ((await hashOf(userId, row)) !== row.hash) {
    problems.push({
      seq,
      code: 'altered-row',
      message: `row ${seq} is not what was hashed when it was written`,
    });
  }
  if ((kind === 'attempt') !== (status === 'pending')) {
    problems.push({
      seq,
      code: 'wrong-status',
      message: `row ${seq} is an ${kind} with the status '${status}'`,
    });
  }
  return problems;
}

async function hashOf(userId: string, row: AuditRow): Promise<string | null> {
  try {
    return await rowHash(userId, row.prevHash, row);
  } catch (thrown) {
    if (thrown instanceof CanonicalJsonError) return null;
    throw thrown;
  }
}

/**
 * Checks that each outcome repeats the names of an attempt before it, that each attempt has one
 * outcome at most, and that a checkpoint stands at the start only.
 */
function checkOutcomes(rows: readonly AuditRow[]): { problems: Problem[]; pending: number } {
  const problems: Problem[] = [];
  const open = new Map<string, number>();
  for (const [index, row] of rows.entries()) {
    const { seq, kind } = row;
    const name = JSON.stringify([row.missionId, row.iterationId, row.tableName, row.recordId]);
    const waiting = open.get(name) ?? 0;
    if (kind === 'attempt') open.set(name, waiting + 1);
    else if (kind === 'outcome' && waiting > 0) open.set(name, waiting - 1);
    else if (kind === 'outcome') {
      const message = `row ${seq} is the outcome of an attempt that stands nowhere before it`;
      problems.push({ seq, code: 'outcome-without-attempt', message });
    } else if (index > 0) {
      const message = `row ${seq} is a checkpoint in the middle: rows before it should be gone, or it should not be there`;
      problems.push({ seq, code: 'misplaced-checkpoint', message });
    }
  }
  return { problems, pending: [...open.values()].reduce((sum, count) => sum + count, 0) };
}

function checkHead(rows: readonly AuditRow[], head: AuditHead): Problem[] {
  const { seq } = head;
  if (seq === 0) return [];
  const lastSeq = rows.at(-1)?.seq ?? 0;
  if (seq > lastSeq) {
    const missing = seq === lastSeq + 1 ? `row ${seq} is` : `rows ${lastSeq + 1} to ${seq} are`;
    return [
      {
        seq,
        code: 'truncated',
        message: `the head stands at ${seq}, but ${missing} missing at the end: removed, or lost to a restore of an older backup`,
      },
    ];
  }
  const there = rows.filter((row) => row.seq === seq);
  if (there.some((row) => row.hash === head.hash)) return [];
  if (there.length === 0 && seq < (rows[0]?.seq ?? 0)) {
    const message = `the head stands at ${seq}, before the first row that is left; it cannot be checked any more`;
    return [{ seq, code: 'head-not-checkable', message }];
  }
  return [
    {
      seq,
      code: 'head-differs',
      message: `row ${seq} has another hash than the head that is known of it`,
    },
  ];
}
