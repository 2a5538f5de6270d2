import type { Database, Row, Statement } from '../postgres/port.ts';
import type { KekRing } from './kek-ring.ts';
import { rewrapVault, selectVault, usersToRewrap, vaultRowOf } from './vault-queries.ts';

export type RewrapReport = {
  /** wrapped by the current KEK now */
  rewrapped: number;
  /** left as they were: no KEK that is configured opens them */
  unreadable: number;
  /** of the KEKs that would be needed for those */
  missingKekIds: string[];
};

const PAGE_USERS = 100;

/**
 * Wraps every master key that another KEK than the current one wraps by the current one. It may be
 * repeated, and run while people use their vaults.
 */
export async function rewrapAll(database: Database, keks: KekRing): Promise<RewrapReport> {
  const report = { rewrapped: 0, unreadable: 0 };
  const missing = new Set<string>();
  let after = '';
  for (;;) {
    const page = await ask(database, null, usersToRewrap(keks.currentId, after, PAGE_USERS));
    for (const { user_id: userId } of page) {
      after = userId ?? '';
      const outcome = await rewrapUser(database, keks, after);
      if (outcome.kind === 'rewrapped') report.rewrapped += 1;
      if (outcome.kind !== 'unreadable') continue;
      report.unreadable += 1;
      if (outcome.missingKekId !== null) missing.add(outcome.missingKekId);
    }
    if (page.length < PAGE_USERS) return { ...report, missingKekIds: [...missing].toSorted() };
  }
}

type Outcome =
  { kind: 'rewrapped' | 'unchanged' } | { kind: 'unreadable'; missingKekId: string | null };

/**
 * If the owner changes the row at the same time, that change stands: it used the current KEK
 * already, or removed the key.
 */
async function rewrapUser(database: Database, keks: KekRing, userId: string): Promise<Outcome> {
  const [found] = await ask(database, userId, selectVault(userId));
  const old = vaultRowOf(found)?.wrapped ?? null;
  if (old === null || old.kekId === keks.currentId) return { kind: 'unchanged' };
  const opened = await keks.unwrap(old, userId);
  if (!opened.ok) {
    return { kind: 'unreadable', missingKekId: opened.reason === 'unknown-kek' ? old.kekId : null };
  }
  const text = await keks.wrap(opened.masterKey, userId);
  opened.masterKey.fill(0);
  const done = await ask(
    database,
    userId,
    rewrapVault(userId, old, { text, kekId: keks.currentId }),
  );
  return { kind: done.length === 1 ? 'rewrapped' : 'unchanged' };
}

async function ask(
  database: Database,
  userId: string | null,
  statement: Statement,
): Promise<readonly Row[]> {
  const [rows = []] = await database.transaction({
    role: 'mana_auth_service',
    userId,
    statements: [statement],
  });
  return rows;
}
