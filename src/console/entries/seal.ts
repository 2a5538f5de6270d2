export { deriveRecordKeyBytes } from '../../grants/record-keys.ts';
export { importRunnerPublicKey } from '../../grants/runner-keys.ts';
export { sealKeys } from '../../grants/seal.ts';
