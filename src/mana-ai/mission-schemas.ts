import { z } from 'zod';
import { MOST_WRITE_BYTES, MOST_WRITES } from '../carry-out/index.ts';
import { isCiphertext } from '../grants/index.ts';
import { isUserId } from '../http/user-id.ts';
import { cadenceSchema } from '../missions/cadence.ts';
import { parseInstantMs } from '../values/instant.ts';

const LONGEST_TITLE = 2_000;
const LONGEST_TEXT = 60_000;
const MOST_INPUTS = 1_000;
const MOST_DECISIONS = 200;

/** `enc:2:<version>:<iv>.<ciphertext and tag>`, canonical base64url: what the grant module writes. */
const CIPHERTEXT = /^enc:2:[1-9]\d{0,9}:[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]{22,}$/;

const text = (longest: number) =>
  z
    .string()
    .max(longest)
    .refine(
      (value) => !isCiphertext(value) || CIPHERTEXT.test(value),
      'wants plaintext or enc:2: ciphertext',
    )
    .describe('plaintext or `enc:2:` ciphertext under the record key of the mission');

/** An id of a mission, an agent or another record. */
const recordId = z
  .string()
  .min(1)
  .max(256)
  .refine(isUserId, 'wants 1 to 256 characters of well-formed Unicode without control characters');

const instant = z
  .string()
  .refine((value) => parseInstantMs(value) !== null, 'wants an RFC 3339 instant with an offset')
  .describe('RFC 3339 instant');

const inputRef = z.strictObject({ module: recordId, table: recordId, id: recordId });

const grant = z
  .looseObject({ grantId: z.string().max(256), token: z.string().max(200_000) })
  .describe("the mint's answer as it came");

const fields = z.strictObject({
  title: text(LONGEST_TITLE),
  objective: text(LONGEST_TEXT),
  conceptMarkdown: text(LONGEST_TEXT),
  cadence: cadenceSchema,
  nextRunAt: instant.nullable().describe('when it runs next; by its cadence where left out'),
  agentId: recordId.nullable(),
  inputs: z.array(inputRef).max(MOST_INPUTS),
  grant: grant.nullable(),
});

/** Body of POST /api/v1/me/missions. An id that the caller chooses is needed to encrypt the texts beforehand. */
export const newMission = fields
  .partial()
  .extend({ id: recordId.optional(), objective: fields.shape.objective.min(1) });

/** Body of PATCH /api/v1/me/missions/{missionId}: what is left out stays. */
export const missionChange = fields
  .partial()
  .extend({ state: z.enum(['done', 'archived']).optional() });

/** A row that carries out a step; which ones a tool may write is checked by its table. */
const write = z.strictObject({
  appId: z.string().min(1).max(64),
  table: z.string().min(1).max(64),
  recordId,
  op: z.enum(['insert', 'update', 'delete']),
  data: z.record(z.string().max(256), z.unknown()),
  basis: z
    .record(z.string().max(256), instant)
    .optional()
    .describe('of an update or a delete: the stamps of the fields that the person saw'),
});

const writes = z
  .array(write)
  .max(MOST_WRITES)
  .refine(
    (rows) => new TextEncoder().encode(JSON.stringify(rows)).length <= MOST_WRITE_BYTES,
    `wants at most ${MOST_WRITE_BYTES} bytes`,
  );

const edit = z.strictObject({
  params: z.union([z.record(z.string(), z.unknown()), text(LONGEST_TEXT)]).optional(),
  body: text(LONGEST_TEXT).optional(),
  summary: text(LONGEST_TITLE).optional(),
});

const decision = z.strictObject({
  stepId: z.string().min(1).max(600),
  digest: z.string().regex(/^[\w-]{43}$/, 'wants the digest that is shown beside the step'),
  decision: z.enum(['approve', 'reject', 'reopen']),
  edit: edit.optional(),
  writes: writes
    .optional()
    .describe('the rows that carry the step out; without them an approval means: done by hand'),
});

/** Body of the review of an iteration. */
export const review = z.strictObject({
  decisions: z
    .array(decision)
    .max(MOST_DECISIONS)
    .refine(
      (all) => new Set(all.map(({ stepId }) => stepId)).size === all.length,
      'wants each step at most once',
    ),
  feedback: text(LONGEST_TITLE).optional(),
});

/** A mission as operators see it. */
export const internalMission = z
  .object({
    id: z.string(),
    title: z.string(),
    state: z.string(),
    nextRunAt: z.string().nullable(),
    status: z.enum(['scheduled', 'queued', 'running', 'waiting', 'idle']),
    reason: z.string().optional().describe('why it does not simply wait for its time'),
  })
  .meta({ id: 'MissionStatus' });

/** A mission as its owner sees it. */
export const ownerMission = internalMission
  .extend({
    objective: z.string(),
    conceptMarkdown: z.string().optional(),
    inputs: z.array(inputRef).optional(),
    agentId: z.string().nullable().optional(),
    cadence: cadenceSchema.nullable(),
    timeZone: z.string().optional().describe('that its times are meant in'),
    next: z.array(z.string()).optional().describe('the next five times of its cadence'),
    waitsUntil: z
      .string()
      .optional()
      .describe('of a mission that waits: when it is looked at again'),
    failure: z
      .object({ code: z.string(), times: z.number(), retryAt: z.string() })
      .optional()
      .describe('of a mission that fails by itself'),
    occurrences: z.array(
      z.object({
        dueAt: z.string(),
        fate: z.string(),
        at: z.string().optional(),
        reason: z.string().optional(),
        runId: z.string().optional(),
      }),
    ),
    iterations: z
      .array(z.unknown())
      .describe(
        'as the record holds them; steps of those that await review carry a `digest`, which a review names',
      ),
    grant: z
      .object({
        grantId: z.string(),
        expiresAt: z.string(),
        state: z.string(),
        advice: z.string().optional(),
      })
      .optional()
      .describe("state: 'ok', 'expires-soon' or why the runner refuses the grant"),
  })
  .meta({ id: 'Mission' });
