import { base64url } from 'jose';
import { canonicalJson } from '../values/canonical-json.ts';
import { isRecord } from '../values/fields.ts';

/**
 * Members of a step that may change while it still proposes the same: `digest` is our own, shown
 * beside the step, and a decision leaves `decision`, `editedFrom` and `reopened`.
 */
const LIFE = new Set(['status', 'proposalId', 'digest', 'decision', 'editedFrom', 'reopened']);

/**
 * The digest of what a step proposes: SHA-256, base64url without padding, of the canonical JSON of
 * the step as stored, without the members above. An approval names it and so holds for what the
 * person saw and for nothing else. Encrypted texts count as they are stored.
 */
export async function stepDigest(step: Readonly<Record<string, unknown>>): Promise<string> {
  const proposed = Object.fromEntries(Object.entries(step).filter(([name]) => !LIFE.has(name)));
  const bytes = new TextEncoder().encode(canonicalJson(proposed));
  return base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
}

/**
 * The iterations, with a `digest` at each step of those about which something can be decided.
 * Everything else stays as it is.
 */
export async function withStepDigests(iterations: readonly unknown[]): Promise<unknown[]> {
  return Promise.all(iterations.map(withDigests));
}

async function withDigests(item: unknown): Promise<unknown> {
  if (!isRecord(item) || !Array.isArray(item['plan'])) return item;
  const plan: readonly unknown[] = item['plan'];
  // A rejection can be taken back.
  const isRejected = plan.some((step) => isRecord(step) && step['status'] === 'rejected');
  if (item['overallStatus'] !== 'awaiting-review' && !isRejected) return item;
  return { ...item, plan: await Promise.all(plan.map(withDigest)) };
}

async function withDigest(step: unknown): Promise<unknown> {
  return isRecord(step) ? { ...step, digest: await stepDigest(step) } : step;
}
