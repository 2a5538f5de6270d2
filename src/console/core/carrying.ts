import type { Need, ReadRecord, ToolCall, Write } from '../../carry-out/types.ts';
import type { ShownWrite } from '../../carry-out/shown.ts';
import { carryPart } from './lazy.ts';
import { isSealed } from './opening.ts';
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

/** The rows as they are sent: fields that the app encrypts are ciphertext where the person has a vault. */
export async function sealed(
  { writes, records }: { writes: readonly Write[]; records: readonly ReadRecord[] },
  keys: Keys | null,
): Promise<Write[]> {
  if (keys === null) return [...writes];
  const { sealWrites } = await carryPart();
  return sealWrites(writes, 'enc:2', keys, records);
}

/** The same in the form of the existing app, for who uses it: the server says so by MUST_BE_SEALED. */
export async function sealedForApp(
  { writes, records }: { writes: readonly Write[]; records: readonly ReadRecord[] },
  keys: Keys,
): Promise<Write[]> {
  const { sealWrites } = await carryPart();
  return sealWrites(writes, 'enc:1', keys, records);
}

/** Whether a call still holds ciphertext, so that nothing can be made of it. */
export function isReadable(call: ToolCall): boolean {
  return !isSealed(call.params);
}
