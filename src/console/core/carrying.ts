import type { Need, ReadRecord, ToolCall, Write } from '../../carry-out/types.ts';
import type { ShownWrite } from '../../carry-out/shown.ts';
import { api, ApiError } from './api.ts';
import { carryPart } from './lazy.ts';
import { recordsOf, recordsOfModule } from './records.ts';
import type { Keys } from './vault.ts';

export type Carried =
  | { ok: true; writes: Write[]; shown: ShownWrite[]; did: string; records: ReadRecord[] }
  | { ok: false; code: string; problem: string };

export type Carrying = {
  call: ToolCall;
  userId: string;
  stepId: string;
  agentId: string | null;
  keys: Keys | null;
};

/** What a step would write, in plaintext, from the records as they are now. */
export async function carried(carrying: Carrying): Promise<Carried> {
  const { carryOut, readNeeds, shownWrites } = await carryPart();
  const { call, userId, stepId, agentId, keys } = carrying;
  const records = await readNeeds(call, (needs) => readAll(needs, keys));
  const result = carryOut(call, {
    userId,
    stepId,
    nowMs: Date.now(),
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    spaceId: null,
    agentId,
    records,
  });
  if (!result.ok) return result;
  return { ...result, shown: shownWrites(result.writes, records), records };
}

async function readAll(needs: readonly Need[], keys: Keys | null): Promise<ReadRecord[]> {
  const single = needs.filter(({ recordId }) => recordId !== undefined);
  const whole = [
    ...new Set(needs.filter(({ recordId }) => recordId === undefined).map(({ appId }) => appId)),
  ];
  const refs = single.map(({ table, recordId }) => `${table}:${recordId}`);
  const [records, ...modules] = await Promise.all([
    recordsOf(refs, keys),
    ...whole.map((appId) => recordsOfModule(appId, keys)),
  ]);
  const wanted = modules
    .flat()
    .filter(({ appId, table }) =>
      needs.some((need) => need.appId === appId && need.table === table),
    );
  return [...records, ...wanted];
}

type SealForm = 'plain' | 'enc:1' | 'enc:2';

/** How fields that the app encrypts are written for this person: the server knows what their devices read. */
async function sealForm(): Promise<SealForm> {
  return (await api<{ sealing: SealForm }>('/api/v1/me/records?limit=1')).sealing;
}

/** The rows as they are sent. @throws ApiError MUST_BE_SEALED where that needs keys and this browser is locked */
export async function sealed(
  { writes, records }: { writes: readonly Write[]; records: readonly ReadRecord[] },
  keys: Keys | null,
): Promise<Write[]> {
  const form = await sealForm();
  if (form === 'plain') return [...writes];
  if (keys === null) throw new ApiError(409, { code: 'MUST_BE_SEALED' }, null);
  const { sealWrites } = await carryPart();
  return sealWrites(writes, form, keys, records);
}
