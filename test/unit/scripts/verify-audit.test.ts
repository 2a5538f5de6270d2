import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { verifyAudit } from '../../../scripts/verify-audit.ts';
import { chainRows } from '../../../src/audit/hash.ts';
import { EMPTY_CHAIN } from '../../../src/audit/row.ts';

const folder = mkdtempSync(join(tmpdir(), 'verify-audit-'));
afterAll(() => rmSync(folder, { recursive: true }));

const content = {
  kind: 'attempt' as const,
  missionId: 'm',
  iterationId: 'i',
  tableName: 'notes',
  recordId: 'n',
  status: 'pending' as const,
  reason: null,
  ts: '2026-11-24T10:00:00.000Z',
};
const ROWS = await chainRows('user-1', EMPTY_CHAIN, [
  content,
  { ...content, kind: 'outcome', status: 'ok' },
]);
const HEAD = { seq: 2, hash: ROWS[1]?.hash ?? '' };

function file(name: string, value: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value));
  return path;
}

describe('npm run verify-audit', () => {
  it('exits with 0 for a whole chain and says how far it goes', async () => {
    const path = file('whole.json', { userId: 'user-1', rows: ROWS, head: HEAD });
    expect(await verifyAudit([path, '--head', `2:${HEAD.hash}`])).toEqual({
      exitCode: 0,
      lines: ['whole: 2 rows, 1 to 2'],
    });
  });

  it('exits with 1 and says what is wrong where', async () => {
    const path = file('cut.json', { userId: 'user-1', rows: ROWS.slice(0, 1), head: HEAD });
    const { exitCode, lines } = await verifyAudit([path]);
    expect(exitCode).toBe(1);
    expect(lines[0]).toBe(
      'row 2: truncated: the head stands at 2, but row 2 is missing at the end: removed, or lost to a restore of an older backup',
    );
    expect(lines.at(-1)).toBe('BROKEN: 1 rows, 1 to 1');
  });

  it('exits with 1 where the last page was not fetched, or a noted head is not there', async () => {
    const path = file('page.json', { userId: 'user-1', rows: ROWS.slice(0, 1), next: 1 });
    expect((await verifyAudit([path])).lines.join()).toContain('after=1');
    const whole = file('noted.json', { userId: 'user-1', rows: ROWS });
    const { exitCode, lines } = await verifyAudit([whole, '--head', `1:${'A'.repeat(43)}`]);
    expect([exitCode, lines[0]]).toEqual([
      1,
      'row 1: head-differs: row 1 has another hash than the head that is known of it',
    ]);
  });

  it('takes the user from --user where the export has none, and says where no head is known', async () => {
    const path = file('rows.json', ROWS);
    const { exitCode, lines } = await verifyAudit([path, '--user', 'user-1']);
    expect(exitCode).toBe(0);
    expect(lines).toContain('No head is known: rows cut off the end would not show.');
  });

  it('exits with 2 where nothing could be checked', async () => {
    const rows = file('no-user.json', ROWS);
    const text = file('text.json', 'hello');
    const cases = [
      [],
      [join(folder, 'missing.json')],
      [text],
      [rows],
      [rows, '--head', 'x'],
      [rows, '--wrong'],
    ];
    for (const args of cases) expect((await verifyAudit(args)).exitCode).toBe(2);
  });
});
