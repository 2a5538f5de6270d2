import type { Hono } from 'hono';
import { z } from 'zod';
import { MOST_PAGE_ROWS } from '../../audit/queries.ts';
import { AUDIT_KINDS, AUDIT_STATUSES } from '../../audit/row.ts';
import {
  answers,
  readQuery,
  refusals,
  type RouteDefinition,
  serveRoute,
  USER_TOKEN,
} from '../../http/route.ts';
import type { RouteDeps } from '../deps.ts';
import { forPerson } from '../person.ts';
import { refuse } from '../../http/http-errors.ts';

const DEFAULT_PAGE_ROWS = 100;

/** What a query says is text; digits alone are a number here, so that neither '' nor '1e3' is one. */
const digits = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,16}$/, `wants a whole number from ${least} to ${most}`)
    .transform(Number)
    .pipe(
      z
        .int(`wants a whole number from ${least} to ${most}`)
        .min(least, `wants at least ${least}`)
        .max(most, `wants at most ${most}`),
    );

const isName = (text: string): boolean => text.isWellFormed() && !/\p{Cc}/u.test(text);

const query = z.object({
  missionId: z
    .string()
    .min(1, 'wants the id of a mission')
    .max(256, 'wants an id of 256 characters at most')
    .refine(isName, 'wants an id without control characters')
    .optional(),
  limit: digits(1, Number.MAX_SAFE_INTEGER).optional(),
  after: digits(0, Number.MAX_SAFE_INTEGER).optional(),
});

const name = z.string().nullable();
const row = z.object({
  seq: z.int(),
  kind: z.enum(AUDIT_KINDS),
  missionId: name,
  iterationId: name,
  tableName: name,
  recordId: name,
  status: z.enum(AUDIT_STATUSES),
  reason: name,
  ts: z.iso.datetime(),
  prevHash: z.string(),
  hash: z.string(),
});

export const AI_AUDIT = {
  method: 'get',
  path: '/api/v1/me/ai-audit',
  summary:
    'Which of your records were opened for which mission, oldest first; the whole can be verified by its hashes',
  security: USER_TOKEN,
  request: { query },
  responses: {
    200: answers(
      'A page. `next` is the `after` of the next one; `head` is the newest row that the runner knows of.',
      z.object({
        userId: z.string(),
        rows: z.array(row),
        head: z.object({ seq: z.int(), hash: z.string() }),
        next: z.int().optional(),
      }),
    ),
    ...refusals({
      400: 'BAD_REQUEST',
      401: 'UNAUTHENTICATED',
      503: 'KEY_SET_UNAVAILABLE, POSTGRES_UNAVAILABLE',
    }),
  },
} satisfies RouteDefinition;

/** GET /api/v1/me/ai-audit: the caller's own audit, and nobody else's. */
export function aiAuditRoutes(app: Hono, deps: RouteDeps): void {
  serveRoute(
    app,
    AI_AUDIT,
    forPerson(deps, async (c, userId) => {
      const asked = readQuery(c, AI_AUDIT);
      if (!asked.ok) return refuse(c, 'BAD_REQUEST', asked.error);
      const { missionId = null, limit: wanted = DEFAULT_PAGE_ROWS, after = 0 } = asked.value;
      // Who asks for more gets a full page and its `next`.
      const limit = Math.min(wanted, MOST_PAGE_ROWS);
      const answer = await deps.userMissions(userId).audit(userId, { missionId, limit, after });
      if (answer.ok) return c.json(answer.page);
      const sentence = 'The audit cannot be read now; Postgres does not answer.';
      return refuse(c, 'POSTGRES_UNAVAILABLE', sentence);
    }),
  );
}
