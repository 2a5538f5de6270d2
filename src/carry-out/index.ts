/**
 * Carrying out a step of a plan: from its tool call to the change rows that the app itself would
 * write. Isomorphic and pure but for WebCrypto's own chance (IVs): no clock, no I/O; time and
 * records are given.
 *
 * A device reads what `readNeeds` asks for, calls `carryOut`, shows `shownWrites` to the person,
 * seals with `sealWrites`, and sends the rows with the decision (`POST …/iterations/{id}/review`).
 */
export { carryOut, needsOf, readNeeds } from './carry-out.ts';
export { MOST_WRITES, MOST_WRITE_BYTES, unsealedField, wrongWrites } from './check.ts';
export { carriedRecordId, carriedRowId } from './ids.ts';
export { openReadRecord, type OwnKeys, type SealForm, sealWrites } from './sealing.ts';
export { type ShownWrite, shownWrites } from './shown.ts';
export { appOfModule, type ToolFacts, toolFacts } from './tools.ts';
export type {
  CarriedOut,
  CarryOutContext,
  CarryOutRefusal,
  Effect,
  Need,
  ReadRecord,
  ToolCall,
  Write,
} from './types.ts';
