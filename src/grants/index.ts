/**
 * The formats by which a person lets the runner read named records for one mission and a limited
 * time. Isomorphic: they use WebCrypto and jose alone, no clock and no I/O. The only randomness is
 * WebCrypto's own (IVs, ephemeral keys).
 */
export type { FieldRefused, GrantReason, GrantsErrorCode, Refused } from './errors.ts';
export { GrantsError } from './errors.ts';
export type { RecordRef } from './names.ts';
export {
  formatRecordRef,
  isRecordName,
  isTableName,
  missionRef,
  MISSIONS_TABLE,
  parseRecordRef,
  sortedScope,
} from './names.ts';
export { checkpointPath, fieldPath, iterationPath, stepPath } from './paths.ts';
export type { RecordKeys } from './record-keys.ts';
export {
  deriveRecordKeyBytes,
  deriveRecordKeys,
  importAppKey,
  importLegacyMasterKey,
  importMasterKey,
  importRecordKey,
  isKeyVersion,
  newestVersion,
} from './record-keys.ts';
export type { DecryptedField, FieldToDecrypt, FieldToEncrypt } from './fields.ts';
export {
  decryptField,
  decryptLegacyField,
  encryptField,
  encryptLegacyField,
  isCiphertext,
  isLegacyCiphertext,
} from './fields.ts';
export type { OpenedIteration, OpenedRecord, ReencryptedRecord } from './records.ts';
export {
  encryptIteration,
  encryptRecord,
  openIteration,
  openRecord,
  reencryptLegacyRecord,
  rekeyRecord,
} from './records.ts';
export type { RecipientKey, RunnerPrivateKey, RunnerPublicJwk } from './runner-keys.ts';
export { importRunnerPrivateKeys, importRunnerPublicKey } from './runner-keys.ts';
export type { GrantKeyFinder, GrantPublicJwk, GrantSigningKey } from './signing-keys.ts';
export { grantKeyFinder, importGrantVerifyKey, importSigningKeys } from './signing-keys.ts';
export type { KeysToSeal, Sealing } from './seal.ts';
export { sealKeys } from './seal.ts';
export type { SealedCheck, SealedVerdict } from './sealed.ts';
export { checkSealedHeader, LARGEST_KEYS_JWE } from './sealed.ts';
export type { GrantClaims } from './claims.ts';
export { GRANT_LIFETIME_SEC, grantLifetimeSec, MOST_RECORDS } from './claims.ts';
export type { GrantToMint } from './mint.ts';
export { hashOfKeys, mintGrant } from './mint.ts';
export type { GrantToVerify, VerifiedGrant } from './verify.ts';
export { verifyGrant } from './verify.ts';
export type { GrantKeys, GrantToOpen, OpenedGrant } from './open.ts';
export { openGrantKeys } from './open.ts';
