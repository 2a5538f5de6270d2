import { importAppKey, importMasterKey } from '../../grants/record-keys.ts';
import { api } from './api.ts';
import { base64Of, bytesOfBase64, bytesOfHex, hexOf } from './encoding.ts';
import { drop, keep, kept } from './storage.ts';
import { Watched } from './store.ts';

/** The master key for deriving record keys, and the same bytes for what the app encrypts by itself. Neither can be exported. */
export type Keys = { userId: string; masterKey: CryptoKey; appKey: CryptoKey };

/** `undefined` until this browser was asked; null: locked. */
export const keys = new Watched<Keys | null | undefined>(undefined);

const TABS = new BroadcastChannel('mana-keys');
TABS.addEventListener('message', () => void readKeys());
let person = '';

/** The keys that this browser keeps of that person. */
export async function loadKeys(userId: string): Promise<void> {
  person = userId;
  await readKeys();
}

async function readKeys(): Promise<void> {
  const found = await kept<Keys>('keys');
  keys.set(found?.userId === person ? found : null);
}

export type Wrap = { credentialId: string; iv: string; wrapped: string };

/** What the vault says to who wants to unlock. */
export type VaultAnswer =
  | { masterKey: string }
  | {
      requiresRecoveryCode: true;
      recoveryWrappedMk: string;
      recoveryIv: string;
      wraps?: Wrap[];
    };

export type VaultStatus = {
  vaultExists: boolean;
  zeroKnowledge: boolean;
  hasRecoveryWrap: boolean;
  recoverySetAt: string | null;
};

export async function vaultStatus(): Promise<VaultStatus> {
  return api('/api/v1/me/encryption-vault/status');
}

/** Asks the vault; the key of a vault that opens is kept at once. */
export async function askVault(userId: string): Promise<VaultAnswer> {
  const answer = await api<VaultAnswer>('/api/v1/me/encryption-vault/key');
  if ('masterKey' in answer) await keepMasterKey(userId, bytesOfBase64(answer.masterKey));
  return answer;
}

/** Keeps the keys of 32 bytes, which are overwritten. False: they are none. */
async function keepMasterKey(
  userId: string,
  bytes: Uint8Array<ArrayBuffer> | null,
): Promise<boolean> {
  if (bytes?.length !== 32) return false;
  const appKey = await importAppKey(bytes.slice());
  const masterKey = await importMasterKey(bytes);
  await keep('keys', { userId, masterKey, appKey });
  await readKeys();
  TABS.postMessage('changed');
  return true;
}

/** Forgets the keys in all tabs. */
export async function lock(): Promise<void> {
  await drop('keys');
  keys.set(null);
  TABS.postMessage('changed');
}

const RECOVERY_INFO = 'mana-recovery-v1';
const PASSKEY_INFO = 'mana/passkey-wrap/v1';

async function wrapKey(secret: Uint8Array<ArrayBuffer>, info: string): Promise<CryptoKey> {
  const base = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveKey']);
  const derivation = {
    name: 'HKDF',
    hash: 'SHA-256',
    salt: new Uint8Array(0),
    info: new TextEncoder().encode(info),
  };
  return crypto.subtle.deriveKey(derivation, base, { name: 'AES-GCM', length: 256 }, false, [
    'encrypt',
    'decrypt',
  ]);
}

async function unwrap(
  key: CryptoKey,
  iv: string,
  wrapped: string,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const [ivBytes, bytes] = [bytesOfBase64(iv), bytesOfBase64(wrapped)];
  if (ivBytes === null || bytes === null) return null;
  try {
    const algorithm = { name: 'AES-GCM', iv: ivBytes };
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, bytes));
  } catch {
    return null;
  }
}

/** The 32 bytes of a recovery code as people type it; null for what is none. */
export function recoveryBytes(code: string): Uint8Array<ArrayBuffer> | null {
  const bytes = bytesOfHex(code.replaceAll(/[\s-]/g, ''));
  return bytes?.length === 32 ? bytes : null;
}

/** Unlocks by a recovery code. False: it does not open this vault. */
export async function unlockByCode(
  userId: string,
  code: string,
  answer: Extract<VaultAnswer, { requiresRecoveryCode: true }>,
): Promise<boolean> {
  const secret = recoveryBytes(code);
  if (secret === null) return false;
  const key = await wrapKey(secret, RECOVERY_INFO);
  return keepMasterKey(userId, await unwrap(key, answer.recoveryIv, answer.recoveryWrappedMk));
}

/** Unlocks by what a passkey's PRF gave (32 bytes, overwritten). */
export async function unlockByPasskey(
  userId: string,
  secret: Uint8Array<ArrayBuffer>,
  { iv, wrapped }: Wrap,
): Promise<boolean> {
  const key = await wrapKey(secret, PASSKEY_INFO);
  secret.fill(0);
  return keepMasterKey(userId, await unwrap(key, iv, wrapped));
}

async function wrappedBy(
  key: CryptoKey,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<{ iv: string; wrapped: string }> {
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const text = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, bytes);
  return { iv: base64Of(iv), wrapped: base64Of(text) };
}

/** Has a passkey wrap the master key. The bytes come from the vault, or by the recovery code. */
export async function wrapForPasskey(
  credentialId: string,
  secret: Uint8Array<ArrayBuffer>,
  masterKey: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const key = await wrapKey(secret, PASSKEY_INFO);
  secret.fill(0);
  const body = await wrappedBy(key, masterKey);
  masterKey.fill(0);
  await api(`/api/v1/me/passkeys/${credentialId}/wrap`, { method: 'PUT', body });
}

/** The master key's bytes, for the moment of wrapping them; null where the code does not open the vault. */
export async function masterKeyBytes(code: string): Promise<Uint8Array<ArrayBuffer> | null> {
  const answer = await api<VaultAnswer>('/api/v1/me/encryption-vault/key');
  if ('masterKey' in answer) return bytesOfBase64(answer.masterKey);
  const secret = recoveryBytes(code);
  if (secret === null) return null;
  const key = await wrapKey(secret, RECOVERY_INFO);
  return unwrap(key, answer.recoveryIv, answer.recoveryWrappedMk);
}

/** base64url HKDF of the master key: proves which key a device means, and tells nothing of it. */
async function checkOf(masterKey: Uint8Array<ArrayBuffer>): Promise<string> {
  const base = await crypto.subtle.importKey('raw', masterKey, 'HKDF', false, ['deriveBits']);
  const derivation = {
    name: 'HKDF',
    hash: 'SHA-256',
    salt: new Uint8Array(0),
    info: new TextEncoder().encode('mana/vault-check/v1'),
  };
  const bits = await crypto.subtle.deriveBits(derivation, base, 256);
  return base64Of(bits).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** A new recovery code of the vault's key, which the server keeps wrapped by it. It is shown once. */
export async function newRecoveryCode(): Promise<string | null> {
  const answer = await api<VaultAnswer & { generation?: number }>(
    '/api/v1/me/encryption-vault/key',
  );
  const masterKey = 'masterKey' in answer ? bytesOfBase64(answer.masterKey) : null;
  if (masterKey === null) return null;
  const secret = crypto.getRandomValues(new Uint8Array(32));
  const code = hexOf(secret);
  const { iv, wrapped: text } = await wrappedBy(await wrapKey(secret, RECOVERY_INFO), masterKey);
  const proof =
    answer.generation === undefined
      ? {}
      : { check: await checkOf(masterKey), generation: answer.generation };
  masterKey.fill(0);
  secret.fill(0);
  await api('/api/v1/me/encryption-vault/recovery-wrap', {
    method: 'POST',
    body: { recoveryWrappedMk: text, recoveryIv: iv, ...proof },
  });
  return code.match(/.{8}/g)?.join('-') ?? code;
}

/** The server forgets the master key; the recovery code opens it from now on. */
export async function enterZeroKnowledge(): Promise<void> {
  const answer = await api<VaultAnswer & { generation?: number }>(
    '/api/v1/me/encryption-vault/key',
  );
  const masterKey = 'masterKey' in answer ? bytesOfBase64(answer.masterKey) : null;
  const proof =
    masterKey === null || answer.generation === undefined
      ? {}
      : { check: await checkOf(masterKey), generation: answer.generation };
  masterKey?.fill(0);
  await api('/api/v1/me/encryption-vault/zero-knowledge', {
    method: 'POST',
    body: { enable: true, ...proof },
  });
}

/** The server takes the master key back. False: the code does not open it. */
export async function leaveZeroKnowledge(code: string): Promise<boolean> {
  const bytes = await masterKeyBytes(code);
  if (bytes === null) return false;
  const status = await api<{ generation?: number }>('/api/v1/me/encryption-vault/status');
  const proof =
    status.generation === undefined
      ? {}
      : { check: await checkOf(bytes), generation: status.generation };
  const body = { enable: false, masterKey: base64Of(bytes), ...proof };
  bytes.fill(0);
  await api('/api/v1/me/encryption-vault/zero-knowledge', { method: 'POST', body });
  return true;
}
