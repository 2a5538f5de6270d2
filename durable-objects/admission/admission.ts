import type { AgendaStore } from './agenda-store.ts';
import type { Leases } from './leases.ts';

type Admitted = { userId: string; dueMs: number };

/**
 * Gives leases to the users who became ready first, until `limit` users hold one; answers who was
 * admitted.
 * @param moment now and the end of a lease that begins now, in ms
 */
export function admitReady(
  { agenda, leases }: { agenda: Pick<AgendaStore, 'ready'>; leases: Leases },
  limit: number,
  moment: { nowMs: number; expiresMs: number },
): Admitted[] {
  const free = limit - leases.count();
  if (free <= 0) return [];
  // The first on the agenda may be admitted already, so as many more entries are read.
  const ready = agenda.ready(moment.nowMs, free + leases.count());
  const admitted = ready.filter(({ userId }) => !leases.has(userId)).slice(0, free);
  for (const { userId } of admitted) leases.admit(userId, moment.nowMs, moment.expiresMs);
  return admitted;
}
