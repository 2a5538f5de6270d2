import type { Context, Hono } from 'hono';
import { z } from 'zod';
import type {
  RecordPage,
  RecordQuery,
} from '../../../durable-objects/projection/person-records.ts';
import { appOfModule } from '../../carry-out/index.ts';
import { parseRecordRef, type RecordRef } from '../../grants/index.ts';
import {
  answers,
  readQuery,
  refusals,
  type RouteDefinition,
  serveRoute,
  USER_TOKEN,
} from '../../http/route.ts';
import type { PersonRecord } from '../../sync/person-record.ts';
import type { RecordKey } from '../../sync/record-queries.ts';
import type { RouteDeps } from '../deps.ts';
import { refuse } from '../../http/http-errors.ts';
import { USER_REFUSALS } from '../../http/guards.ts';
import { forPerson } from '../person.ts';

const MOST_RECORDS = 200;

const query = z.object({
  module: z
    .string()
    .max(64)
    .optional()
    .describe('a module of the app, or its name in the log; all of them where left out'),
  table: z.string().max(64).optional().describe('one table of the module'),
  refs: z
    .string()
    .max(60_000)
    .optional()
    .describe(
      '`table:id`, separated by commas (a comma in an id: %2C); the others are then ignored',
    ),
  deleted: z.enum(['true', 'false']).optional().describe('true: deleted records too'),
  limit: z.coerce.number().int().min(1).max(MOST_RECORDS).optional(),
  cursor: z.string().max(2_000).optional().describe('what `next` said'),
});

const record = z
  .object({
    appId: z.string(),
    table: z.string(),
    recordId: z.string(),
    data: z
      .record(z.string(), z.unknown())
      .describe('merged, as stored: encrypted fields are ciphertext'),
    stamps: z.record(z.string(), z.string()).describe('field -> when it was written'),
    updatedAt: z.string(),
    spaceId: z.string().nullable(),
    deleted: z.literal(true).optional(),
  })
  .meta({ id: 'Record' });

const list = {
  method: 'get',
  path: '/api/v1/me/records',
  summary: 'Records of the caller, of whatever module, merged as they stand in the log',
  security: USER_TOKEN,
  request: { query },
  responses: {
    200: answers(
      'A page of records, or those that were named.',
      z.object({
        records: z.array(record),
        next: z.string().optional(),
        sealing: z
          .enum(['plain', 'enc:1', 'enc:2'])
          .describe('how fields that the app encrypts are to be written for this person'),
      }),
    ),
    ...refusals({ 400: 'BAD_REQUEST', ...USER_REFUSALS, 503: 'POSTGRES_UNAVAILABLE' }),
  },
} satisfies RouteDefinition;

export const RECORD_ROUTES: RouteDefinition[] = [list];

/** What a person has in the log, so that they see what came of an approval. */
export function recordRoutes(app: Hono, deps: RouteDeps): void {
  serveRoute(
    app,
    list,
    forPerson(deps, async (c, userId) => {
      const asked = readQuery(c, list);
      if (!asked.ok) return refuse(c, asked.code, asked.error);
      const withDeleted = asked.value.deleted === 'true';
      if (asked.value.refs !== undefined) {
        const refs = refsOf(c);
        return refs === null
          ? refuse(c, 'BAD_REQUEST', `refs wants 1 to ${MOST_RECORDS} of table:id.`)
          : answer(c, await deps.records(userId).find(refs, withDeleted));
      }
      const { module, table, limit = MOST_RECORDS, cursor } = asked.value;
      const after = cursor === undefined ? null : keyOfCursor(cursor);
      if (cursor !== undefined && after === null)
        return refuse(c, 'BAD_REQUEST', 'cursor wants what `next` said.');
      const appId = module === undefined ? null : appOfModule(module);
      const page = { appId, table: table ?? null, after, most: limit, withDeleted };
      return answer(c, await deps.records(userId).page(page));
    }),
  );
}

/** What the route needs of the log; null while it cannot be read. */
export type RecordsPort = {
  page(query: RecordQuery): Promise<RecordsAnswer>;
  find(refs: readonly RecordRef[], withDeleted: boolean): Promise<RecordsAnswer>;
};

export type RecordsAnswer = (RecordPage & { sealing: string }) | null;

function answer(c: Context, found: RecordsAnswer): Response {
  if (found === null)
    return refuse(c, 'POSTGRES_UNAVAILABLE', 'The log cannot be read right now; try again.');
  const { records, next, sealing } = found;
  return c.json({
    records: records satisfies PersonRecord[],
    sealing,
    ...(next === null ? {} : { next: cursorOf(next) }),
  });
}

/** The text as it was sent: a comma between two references is bare, one inside an id is escaped. */
function refsOf(c: Context): RecordRef[] | null {
  const { search } = new URL(c.req.url);
  const texts = search
    .slice(1)
    .split('&')
    .filter((pair) => pair.startsWith('refs='))
    .flatMap((pair) => pair.slice('refs='.length).split(','));
  const refs = texts.map((text) => parseRecordRef(decoded(text)));
  const isWhole = refs.length > 0 && refs.length <= MOST_RECORDS && !refs.includes(null);
  return isWhole ? refs.filter((ref) => ref !== null) : null;
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return null;
  }
}

/** Opaque to the caller. */
function cursorOf({ appId, table, recordId }: RecordKey): string {
  return encodeURIComponent(JSON.stringify([appId, table, recordId]));
}

function keyOfCursor(cursor: string): RecordKey | null {
  try {
    const parts: unknown = JSON.parse(decodeURIComponent(cursor));
    if (!Array.isArray(parts) || parts.length !== 3) return null;
    const [appId, table, recordId] = parts as unknown[];
    if (typeof appId !== 'string' || typeof table !== 'string' || typeof recordId !== 'string')
      return null;
    return [appId, table, recordId].some((part) => part.includes('\0'))
      ? null
      : { appId, table, recordId };
  } catch {
    return null;
  }
}
