import type { Context, Hono } from 'hono';
import { z } from 'zod';
import {
  isKeyVersion,
  isRecordName,
  isTableName,
  MISSIONS_TABLE,
  MOST_RECORDS,
  parseRecordRef,
  sortedScope,
} from '../../grants/index.ts';
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
import { forUser } from '../../http/guards.ts';
import { refuse } from '../../http/http-errors.ts';
import { pathId } from '../../http/path-id.ts';
import {
  type GrantRequest,
  listGrants,
  mint,
  type Minted,
  type MintingDeps,
  mintSealed,
  revoke,
} from '../minting.ts';
import { refuseVault } from './vault.ts';

const BASE = '/api/v1/me/ai-mission-grant';
const MOST_BODY_BYTES = 64 * 1_024;
const MOST_SEALED_BODY_BYTES = 256 * 1_024;
/**
 * A device raises a record's key version after a revocation. If a grant would need more old
 * versions than this, the device encrypts the record again first.
 */
const MOST_VERSIONS = 64;

const WANTS_RECORD = 'wants `table:id`';

const requestFields = z.object({
  missionId: z
    .string()
    .refine(isRecordName, 'wants 1 to 256 characters without control characters'),
  tables: z
    .array(z.string().refine(isTableName, 'wants a letter, then up to 63 letters, digits or _'))
    .max(MOST_RECORDS),
  recordIds: z
    .array(z.string().refine(isGrantable, `${WANTS_RECORD}, never a mission`))
    .min(1, 'wants 1 to 1,000 records')
    .max(MOST_RECORDS, 'wants 1 to 1,000 records'),
  ttlMs: z.number().optional(),
  llm: z.enum(['any', 'local']).optional(),
  keyVersions: z
    .record(
      z.string(),
      z
        .array(z.number().refine(isKeyVersion, 'wants whole numbers from 1'))
        .min(1)
        .max(MOST_VERSIONS),
    )
    .optional(),
});
type RequestFields = z.output<typeof requestFields>;

const mintBody = requestFields.superRefine(refineScope);
const sealedBody = requestFields.extend({ keys: z.string() }).superRefine(refineScope);

const times = { issuedAt: z.iso.datetime(), expiresAt: z.iso.datetime() };
const grant = z.object({
  grantId: z.string(),
  token: z.string(),
  records: z.array(z.string()),
  llm: z.enum(['any', 'local']),
  ...times,
});
const grants = z.object({
  grants: z.array(
    grant
      .omit({ token: true })
      .extend({ missionId: z.string(), revokedAt: z.iso.datetime().optional() }),
  ),
});

const COMMON = { 401: 'UNAUTHENTICATED' };
const MINTING = {
  ...COMMON,
  400: 'BAD_REQUEST names the field',
  413: 'BODY_TOO_LARGE',
  429: 'RATE_LIMITED, with Retry-After',
  503: 'GRANT_NOT_CONFIGURED',
};

export const GRANT_ROUTES = {
  mint: {
    method: 'post',
    path: BASE,
    summary: 'Grants the runner the named records for one mission',
    security: USER_TOKEN,
    request: takes(mintBody),
    responses: {
      200: answers("What the mission's field `grant` takes", grant),
      ...refusals({
        ...MINTING,
        404: 'VAULT_NOT_INITIALISED',
        409: 'ZK_ACTIVE',
        500: 'VAULT_UNREADABLE',
      }),
    },
  },
  mintSealed: {
    method: 'post',
    path: `${BASE}/sealed`,
    summary: 'The same with keys that the device has sealed to the runner itself',
    security: USER_TOKEN,
    request: takes(sealedBody),
    responses: {
      200: answers("What the mission's field `grant` takes", grant),
      ...refusals(MINTING),
    },
  },
  list: {
    method: 'get',
    path: BASE,
    summary: 'The grants, those in force first, at most 500',
    security: USER_TOKEN,
    responses: { 200: answers('The grants', grants), ...refusals(COMMON) },
  },
  revoke: {
    method: 'delete',
    path: `${BASE}/{id}`,
    summary: 'Ends a grant and erases its keys',
    security: USER_TOKEN,
    responses: { 204: { description: 'It is over' }, ...refusals({ ...COMMON, 404: 'NOT_FOUND' }) },
  },
} as const satisfies Record<string, RouteDefinition>;

/** A person's own grants. */
export function grantRoutes(app: Hono, deps: RouteDeps): void {
  const { mint: mintRoute, mintSealed: sealedRoute, list, revoke: revokeRoute } = GRANT_ROUTES;
  serveRoute(
    app,
    mintRoute,
    forUser(deps, async (c, userId) => answerMint(c, deps, userId)),
  );
  serveRoute(
    app,
    sealedRoute,
    forUser(deps, async (c, userId) => answerMintSealed(c, deps, userId)),
  );
  serveRoute(
    app,
    list,
    forUser(deps, async (c, userId) => c.json({ grants: await listGrants(deps.database, userId) })),
  );
  serveRoute(
    app,
    revokeRoute,
    forUser(deps, async (c, userId) => {
      // No other text can be an id, and PostgreSQL takes no NUL.
      const id = pathId(c, 'id');
      const ended = id !== null && (await revoke(deps.database, userId, id));
      return ended ? c.body(null, 204) : refuse(c, 'NOT_FOUND', 'You have no grant of this id.');
    }),
  );
}

async function answerMint(c: Context, deps: RouteDeps, userId: string): Promise<Response> {
  const minting = await mintingDeps(deps);
  if (typeof minting === 'string') return refuse(c, 'GRANT_NOT_CONFIGURED', minting);
  const read = await readBody(c, GRANT_ROUTES.mint, MOST_BODY_BYTES);
  if (!read.ok) return refuse(c, read.code, read.error);
  const { vault } = await deps.keys();
  if (vault === null)
    return refuse(c, 'GRANT_NOT_CONFIGURED', 'MANA_AUTH_KEK is not set, so there are no vaults.');
  const request = requestOf(read.value);
  return sendMinted(c, await mint({ ...minting, vault }, userId, request, deps.nowMs()));
}

async function answerMintSealed(c: Context, deps: RouteDeps, userId: string): Promise<Response> {
  const minting = await mintingDeps(deps);
  if (typeof minting === 'string') return refuse(c, 'GRANT_NOT_CONFIGURED', minting);
  const read = await readBody(c, GRANT_ROUTES.mintSealed, MOST_SEALED_BODY_BYTES);
  if (!read.ok) return refuse(c, read.code, read.error);
  const request = { ...requestOf(read.value), keysJwe: read.value.keys };
  return sendMinted(c, await mintSealed(minting, userId, request, deps.nowMs()));
}

/** What minting needs, or a sentence that says what is not configured. */
async function mintingDeps({ keys, database }: RouteDeps): Promise<MintingDeps | string> {
  const { recipients, signingKeys } = await keys();
  const [signingKey] = signingKeys;
  const [recipient, ...older] = recipients;
  if (recipient === undefined)
    return 'MANA_AI_PUBLIC_KEY_PEM is not set, so there is nobody to seal keys to.';
  if (signingKey === undefined)
    return 'MANA_GRANT_SIGNING_KEY_PEM is not set, so grants cannot be signed.';
  return { database, signingKey, recipients: [recipient, ...older] };
}

function sendMinted(c: Context, minted: Minted): Response {
  if (minted.ok) return c.json(minted.grant);
  if (minted.code === 'RATE_LIMITED') {
    c.header('retry-after', String(minted.waitSeconds));
    return refuse(c, minted.code, 'More than 60 grants within a minute; try again later.');
  }
  if (minted.code === 'BAD_REQUEST')
    return refuse(c, minted.code, `${minted.field}: ${minted.message}.`);
  return refuseVault(c, minted.code);
}

function requestOf({
  missionId,
  recordIds,
  ttlMs,
  llm = 'any',
  keyVersions = {},
}: RequestFields): GrantRequest {
  return {
    missionId,
    records: sortedScope(recordIds),
    lifetimeMs: ttlMs,
    llm,
    keyVersions: new Map(Object.entries(keyVersions)),
  };
}

/** A mission opens with its own grant and is never listed in one. */
function isGrantable(text: string): boolean {
  const ref = parseRecordRef(text);
  return ref !== null && ref.tableName !== MISSIONS_TABLE;
}

/** Each record's table is named, and versions are given of records that the grant covers. */
function refineScope(request: RequestFields, context: z.RefinementCtx): void {
  const tables = new Set(request.tables);
  const unnamed = request.recordIds.findIndex(
    (record) => !tables.has(parseRecordRef(record)?.tableName ?? ''),
  );
  if (unnamed >= 0) {
    context.addIssue({
      code: 'custom',
      path: ['recordIds', unnamed],
      message: 'is of a table that `tables` does not name',
    });
  }
  const covered = new Set([...request.recordIds, `${MISSIONS_TABLE}:${request.missionId}`]);
  const stray = Object.keys(request.keyVersions ?? {}).some((record) => !covered.has(record));
  if (stray) {
    context.addIssue({
      code: 'custom',
      path: ['keyVersions'],
      message: 'names a record that `recordIds` does not',
    });
  }
}
