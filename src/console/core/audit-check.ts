import type { AuditHead, AuditPage, AuditRow } from '../../audit/row.ts';
import type { Verification } from '../../audit/verify.ts';
import { api } from './api.ts';
import { checkPart } from './lazy.ts';
import { change, kept } from './storage.ts';

const PAGE = 500;

/** Reads all pages and checks them here. Where they are whole, their head is noted for the next time. */
export async function checkAudit(): Promise<{
  result: Verification;
  noted: AuditHead | undefined;
}> {
  const rows: AuditRow[] = [];
  let after = 0;
  let userId = '';
  let head: AuditHead | undefined;
  for (;;) {
    const page = await api<AuditPage>(`/api/v1/me/ai-audit?limit=${PAGE}&after=${after}`);
    rows.push(...page.rows);
    ({ userId, head } = page);
    if (page.next === undefined) break;
    after = page.next;
  }
  const noted = (await kept<Record<string, AuditHead>>('heads'))?.[userId];
  const heads = [head, noted].filter((one) => one !== undefined);
  const { verifyChain } = await checkPart();
  const result = await verifyChain({ userId, rows, heads });
  const last = head;
  if (result.problems.length === 0 && last !== undefined)
    await change<Record<string, AuditHead>>('heads', (all = {}) => ({ ...all, [userId]: last }));
  return { result, noted };
}
