import { type FieldRefused, GrantsError, refused } from './errors.ts';
import {
  decryptField,
  type DecryptedField,
  decryptLegacyField,
  encryptField,
  isCiphertext,
  isLegacyCiphertext,
} from './fields.ts';
import { missionRef, type RecordRef } from './names.ts';
import type { RecordKeys } from './record-keys.ts';
import {
  ciphertextSlots,
  fieldSlots,
  iterationSlots,
  type Json,
  type Slot,
  withValues,
} from './slots.ts';

export type OpenedRecord = { ok: true; record: Record<string, unknown> } | FieldRefused;
export type OpenedIteration = { ok: true; iteration: Record<string, unknown> } | FieldRefused;
/** `changed`: the top-level fields that a device has to write, as a change row lists them. */
export type ReencryptedRecord =
  { ok: true; record: Record<string, unknown>; changed: string[] } | FieldRefused;

/**
 * Opens the top-level fields of a record. Fields that are not encrypted stay as they are. If one
 * field does not open, the whole record is refused, because the rest of it could mislead.
 */
export async function openRecord({
  keys,
  ref,
  record,
}: {
  keys: RecordKeys;
  ref: RecordRef;
  record: Json;
}): Promise<OpenedRecord> {
  const slots = fieldSlots(record).filter(({ value }) => isCiphertext(value));
  const opened = await openSlots(slots, keys, ref);
  return opened.ok ? { ok: true, record: withValues(record, slots, opened.values) } : opened;
}

/**
 * Encrypts the named top-level fields, if the record has them (null and undefined stay as they
 * are).
 * @throws GrantsError NAME_REFUSED, KEY_VERSION_MISSING, VALUE_REFUSED
 */
export async function encryptRecord({
  keys,
  version,
  ref,
  record,
  fields,
}: {
  keys: RecordKeys;
  version: number;
  ref: RecordRef;
  record: Json;
  fields: readonly string[];
}): Promise<Record<string, unknown>> {
  const slots = fieldSlots(record).filter(
    ({ at, value }) => fields.includes(String(at[0])) && hasValue(value),
  );
  return withValues(record, slots, await encryptSlots(slots, keys, version, ref));
}

/** Opens an iteration as a device does, with the keys of its mission's record. */
export async function openIteration({
  keys,
  missionId,
  iteration,
}: {
  keys: RecordKeys;
  missionId: string;
  iteration: Json;
}): Promise<OpenedIteration> {
  const slots = iterationSlots(iteration).filter(({ value }) => isCiphertext(value));
  const opened = await openSlots(slots, keys, missionRef(missionId));
  return opened.ok ? { ok: true, iteration: withValues(iteration, slots, opened.values) } : opened;
}

/**
 * Encrypts what a granted run puts into an iteration: its summary, and the summary, rationale,
 * params and body of each step. Ids, times, states and tool names stay readable. The iteration must
 * not be encrypted already.
 * @throws GrantsError NAME_REFUSED, KEY_VERSION_MISSING, VALUE_REFUSED
 */
export async function encryptIteration({
  keys,
  version,
  missionId,
  iteration,
}: {
  keys: RecordKeys;
  version: number;
  missionId: string;
  iteration: Json;
}): Promise<Record<string, unknown>> {
  const slots = iterationSlots(iteration).filter(({ value }) => hasValue(value));
  return withValues(
    iteration,
    slots,
    await encryptSlots(slots, keys, version, missionRef(missionId)),
  );
}

/**
 * Brings a record's `enc:1:` fields to the present format. Only a device can do it: the runner has
 * no key for them.
 * @param legacyKey of importLegacyMasterKey
 */
export async function reencryptLegacyRecord({
  legacyKey,
  keys,
  version,
  ref,
  record,
}: {
  legacyKey: CryptoKey;
  keys: RecordKeys;
  version: number;
  ref: RecordRef;
  record: Json;
}): Promise<ReencryptedRecord> {
  const slots = ciphertextSlots(record, ref).filter(({ value }) => isLegacyCiphertext(value));
  const opened = await allOpened(slots, async ({ value }) =>
    decryptLegacyField(legacyKey, String(value)),
  );
  return opened.ok ? reencrypted(record, slots, opened.values, { keys, version, ref }) : opened;
}

/**
 * Puts all ciphertext of a record, and of a mission's iterations too, under another version of its
 * key, as a device does after a revocation.
 * @param keys of the versions in use and of the new one
 */
export async function rekeyRecord({
  keys,
  version,
  ref,
  record,
}: {
  keys: RecordKeys;
  /** the new one */
  version: number;
  ref: RecordRef;
  record: Json;
}): Promise<ReencryptedRecord> {
  const slots = ciphertextSlots(record, ref);
  const opened = await openSlots(slots, keys, ref);
  return opened.ok ? reencrypted(record, slots, opened.values, { keys, version, ref }) : opened;
}

type Target = { keys: RecordKeys; version: number; ref: RecordRef };

async function reencrypted(
  record: Json,
  slots: readonly Slot[],
  values: readonly unknown[],
  { keys, version, ref }: Target,
): Promise<ReencryptedRecord> {
  const plain = slots.map((slot, index) => ({ ...slot, value: values[index] }));
  const sealed = await encryptSlots(plain, keys, version, ref);
  const changed = Array.from(new Set(slots.map(({ at }) => String(at[0]))));
  return { ok: true, record: withValues(record, slots, sealed), changed };
}

type OpenedValues = { ok: true; values: unknown[] } | FieldRefused;

async function openSlots(
  slots: readonly Slot[],
  keys: RecordKeys,
  ref: RecordRef,
): Promise<OpenedValues> {
  return allOpened(slots, async ({ path, value }) =>
    path === null ? refused('malformed') : decryptField({ keys, ref, path, text: String(value) }),
  );
}

async function allOpened(
  slots: readonly Slot[],
  open: (slot: Slot) => Promise<DecryptedField>,
): Promise<OpenedValues> {
  const values: unknown[] = [];
  for (const [index, result] of (await Promise.all(slots.map(open))).entries()) {
    if (!result.ok)
      return { ...result, path: slots[index]?.path ?? slots[index]?.at.join('/') ?? '' };
    values.push(result.value);
  }
  return { ok: true, values };
}

async function encryptSlots(
  slots: readonly Slot[],
  keys: RecordKeys,
  version: number,
  ref: RecordRef,
): Promise<string[]> {
  return Promise.all(
    slots.map(async ({ path, value }) => {
      if (path === null) throw new GrantsError('NAME_REFUSED', 'a name is not allowed in a path');
      return encryptField({ keys, version, ref, path, value });
    }),
  );
}

function hasValue(value: unknown): boolean {
  return value !== undefined && value !== null;
}
