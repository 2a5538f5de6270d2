import type { Context, Hono } from 'hono';
import { z } from 'zod';
import {
  answers,
  readBody,
  refusals,
  type RouteDefinition,
  serveRoute,
  takes,
  USER_TOKEN,
} from '../../http/route.ts';
import type { RouteDeps } from '../deps.ts';
import { passkeyWraps } from '../sign-in/sign-in.ts';
import { forUser } from '../../http/guards.ts';
import { refuse } from '../../http/http-errors.ts';
import {
  readMasterKey,
  type Vault,
  type VaultAnswer,
  type VaultDone,
  type VaultRefusal,
} from '../vault.ts';

const BASE = '/api/v1/me/encryption-vault';
const MOST_BODY_BYTES = 64 * 1_024;

const key = z.union([
  z.object({ masterKey: z.base64(), kekId: z.string(), formatVersion: z.int() }),
  z.object({
    requiresRecoveryCode: z.literal(true),
    recoveryWrappedMk: z.base64(),
    recoveryIv: z.base64(),
    formatVersion: z.int(),
    wraps: z
      .array(z.object({ credentialId: z.string(), iv: z.base64(), wrapped: z.base64() }))
      .optional()
      .describe('the master key as passkeys of the person wrapped it; GET alone says it'),
  }),
]);
const done = z.object({ ok: z.literal(true) });

/** Made by the device, opaque here: bounded so that a row stays small. */
const recoveryWrap = z.object({
  recoveryWrappedMk: z
    .base64('wants base64')
    .min(1, 'wants base64')
    .max(4_096, 'wants at most 4,096 characters'),
  recoveryIv: z
    .base64('wants base64')
    .min(1, 'wants base64')
    .max(256, 'wants at most 256 characters'),
});

const zeroKnowledge = z.discriminatedUnion(
  'enable',
  [
    z.object({ enable: z.literal(true) }),
    z.object({
      enable: z.literal(false),
      masterKey: z.base64('wants base64 of 32 bytes').length(44, 'wants base64 of 32 bytes'),
    }),
  ],
  'wants true or false',
);

const status = z.object({
  vaultExists: z.boolean(),
  zeroKnowledge: z.boolean(),
  hasRecoveryWrap: z.boolean(),
  recoverySetAt: z.iso.datetime().nullable(),
});

const COMMON = {
  401: 'UNAUTHENTICATED',
  500: 'VAULT_UNREADABLE',
  503: 'GRANT_NOT_CONFIGURED: no KEK',
};
const MISSING = { ...COMMON, 404: 'VAULT_NOT_INITIALISED' };
const WITH_BODY = { ...MISSING, 400: 'BAD_REQUEST', 413: 'BODY_TOO_LARGE' };

export const VAULT_ROUTES = {
  init: {
    method: 'post',
    path: `${BASE}/init`,
    summary: 'Makes a master key where there is none, and answers with it',
    security: USER_TOKEN,
    responses: {
      200: answers('The master key, or what the recovery code opens', key),
      ...refusals(COMMON),
    },
  },
  key: {
    method: 'get',
    path: `${BASE}/key`,
    summary: 'The master key',
    security: USER_TOKEN,
    responses: {
      200: answers('The master key, or what the recovery code opens', key),
      ...refusals(MISSING),
    },
  },
  rotate: {
    method: 'post',
    path: `${BASE}/rotate`,
    summary: 'A new master key; the wrap of a recovery code is removed, since it opens the old one',
    security: USER_TOKEN,
    responses: {
      200: answers('The new master key', key),
      ...refusals({ ...MISSING, 409: 'ZK_ROTATE_FORBIDDEN' }),
    },
  },
  setRecoveryWrap: {
    method: 'post',
    path: `${BASE}/recovery-wrap`,
    summary: 'Keeps the master key wrapped by a recovery code',
    security: USER_TOKEN,
    request: takes(recoveryWrap),
    responses: { 200: answers('Kept', done), ...refusals(WITH_BODY) },
  },
  removeRecoveryWrap: {
    method: 'delete',
    path: `${BASE}/recovery-wrap`,
    summary: 'Removes it',
    security: USER_TOKEN,
    responses: {
      200: answers('There is none any more', done),
      ...refusals({ ...MISSING, 409: 'ZK_ACTIVE' }),
    },
  },
  zeroKnowledge: {
    method: 'post',
    path: `${BASE}/zero-knowledge`,
    summary: 'Forgets the master key here, or takes it back',
    security: USER_TOKEN,
    request: takes(zeroKnowledge),
    responses: {
      200: answers('The mode from now on', done.extend({ zeroKnowledge: z.boolean() })),
      ...refusals({ ...WITH_BODY, 400: 'BAD_REQUEST, RECOVERY_WRAP_MISSING' }),
    },
  },
  status: {
    method: 'get',
    path: `${BASE}/status`,
    summary: 'What there is, without opening anything',
    security: USER_TOKEN,
    responses: { 200: answers('The state', status), ...refusals(COMMON) },
  },
} as const satisfies Record<string, RouteDefinition>;

const SENTENCES: Record<Exclude<VaultRefusal, 'WRONG_MASTER_KEY'>, string> = {
  VAULT_NOT_INITIALISED: 'There is no vault yet; POST …/encryption-vault/init makes it.',
  ZK_ACTIVE: 'Zero-knowledge mode is on: the master key is not here.',
  ZK_ROTATE_FORBIDDEN: 'In zero-knowledge mode only a device can make a new master key.',
  RECOVERY_WRAP_MISSING:
    'Without the wrap of a recovery code nothing could open the master key any more.',
  VAULT_UNREADABLE: 'The vault does not open with the keys that are configured here.',
};

/** A person's own vault. */
export function vaultRoutes(app: Hono, deps: RouteDeps): void {
  /** Serves a route whose handler gets the vault and the caller. */
  const serve = (
    route: RouteDefinition,
    handle: (c: Context, vault: Vault, userId: string) => Promise<Response>,
  ): void =>
    serveRoute(
      app,
      route,
      forUser(deps, async (c, userId) => {
        const { vault } = await deps.keys();
        if (vault !== null) return handle(c, vault, userId);
        const sentence = 'MANA_AUTH_KEK is not set, so there are no vaults.';
        return refuse(c, 'GRANT_NOT_CONFIGURED', sentence);
      }),
    );

  serve(VAULT_ROUTES.init, async (c, vault, userId) => sendKey(c, await vault.init(userId)));
  serve(VAULT_ROUTES.key, async (c, vault, userId) => {
    const answer = await vault.key(userId);
    if (!answer.ok || !('requiresRecoveryCode' in answer.key)) return sendKey(c, answer);
    return c.json({ ...answer.key, wraps: await passkeyWraps(deps.database, userId) });
  });
  serve(VAULT_ROUTES.rotate, async (c, vault, userId) => sendKey(c, await vault.rotate(userId)));
  serve(VAULT_ROUTES.status, async (c, vault, userId) => c.json(await vault.status(userId)));
  serve(VAULT_ROUTES.setRecoveryWrap, async (c, vault, userId) => {
    const read = await readBody(c, VAULT_ROUTES.setRecoveryWrap, MOST_BODY_BYTES);
    if (!read.ok) return refuse(c, read.code, read.error);
    const { recoveryWrappedMk, recoveryIv } = read.value;
    return sendDone(c, await vault.setRecoveryWrap(userId, recoveryWrappedMk, recoveryIv), {});
  });
  serve(VAULT_ROUTES.removeRecoveryWrap, async (c, vault, userId) => {
    return sendDone(c, await vault.removeRecoveryWrap(userId), {});
  });
  serve(VAULT_ROUTES.zeroKnowledge, async (c, vault, userId) => {
    const read = await readBody(c, VAULT_ROUTES.zeroKnowledge, MOST_BODY_BYTES);
    if (!read.ok) return refuse(c, read.code, read.error);
    const { enable } = read.value;
    if (read.value.enable)
      return sendDone(c, await vault.enableZeroKnowledge(userId), { zeroKnowledge: enable });
    const masterKey = readMasterKey(read.value.masterKey);
    if (masterKey === null) return refuse(c, 'BAD_REQUEST', 'masterKey: wants base64 of 32 bytes.');
    return sendDone(c, await vault.disableZeroKnowledge(userId, masterKey), {
      zeroKnowledge: enable,
    });
  });
}

function sendKey(c: Context, answer: VaultAnswer): Response {
  return answer.ok ? c.json(answer.key) : refuseVault(c, answer.code);
}

function sendDone(c: Context, outcome: VaultDone, more: { zeroKnowledge?: boolean }): Response {
  return outcome.ok ? c.json({ ok: true, ...more }) : refuseVault(c, outcome.code);
}

/** A refusal of the vault as HTTP says it. */
export function refuseVault(c: Context, code: VaultRefusal): Response {
  if (code === 'WRONG_MASTER_KEY')
    return refuse(c, 'BAD_REQUEST', 'masterKey: is another than the one in the vault.');
  return refuse(c, code, SENTENCES[code]);
}
