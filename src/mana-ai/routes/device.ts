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
import { pathId, refusePathId } from '../../http/path-id.ts';
import {
  type DeviceCommand,
  type DeviceRefusal,
  newMissionId,
  requestRowId,
} from '../../sync/device-rows.ts';
import type { RouteDeps } from '../deps.ts';
import { refuse } from '../../http/http-errors.ts';
import { missionChange, newMission, ownerMission, review } from '../mission-schemas.ts';
import { USER_REFUSALS } from '../../http/guards.ts';
import { forPerson, TIME_ZONE_HEADER } from '../person.ts';

export const MOST_BODY_BYTES = 64 * 1_024;
/** A review carries rows. */
export const MOST_REVIEW_BYTES = 1_024 * 1_024;
/** A mission carries its grant, and that names up to 1,000 records. */
export const MOST_MISSION_BYTES = 256 * 1_024;

const MISSION = '/api/v1/me/missions/{missionId}';

const shown = (description: string) => answers(description, z.object({ mission: ownerMission }));
const headers = z.object({
  'Idempotency-Key': z
    .string()
    .optional()
    .describe('1 to 255 printable characters: the same request repeated is done once'),
  [TIME_ZONE_HEADER]: z
    .string()
    .optional()
    .describe('IANA time zone of the person, for cadences that name none'),
});

const REFUSALS = { ...USER_REFUSALS, 503: 'KEY_SET_UNAVAILABLE, POSTGRES_UNAVAILABLE' };
const refusalsOfOne = (more: Record<number, string> = {}) =>
  refusals({ 400: 'BAD_REQUEST', ...REFUSALS, 404: 'MISSION_NOT_FOUND', ...more });

const create = {
  method: 'post',
  path: '/api/v1/me/missions',
  summary: 'Create a mission',
  security: USER_TOKEN,
  request: { headers, ...takes(newMission) },
  responses: {
    201: shown('It is written to the log.'),
    200: shown('An earlier try of the same request had written it.'),
    ...refusals({ 400: 'BAD_REQUEST', ...REFUSALS, 409: 'MISSION_EXISTS', 413: 'BODY_TOO_LARGE' }),
  },
} satisfies RouteDefinition;

const change = {
  method: 'patch',
  path: MISSION,
  summary: 'Change fields of a mission; a new cadence counts from now',
  security: USER_TOKEN,
  request: { headers, ...takes(missionChange) },
  responses: {
    200: shown('The mission as it is now.'),
    ...refusalsOfOne({ 413: 'BODY_TOO_LARGE' }),
  },
} satisfies RouteDefinition;

const remove = {
  method: 'delete',
  path: MISSION,
  summary: 'Delete a mission',
  security: USER_TOKEN,
  request: { headers },
  responses: { 204: { description: 'It is deleted.' }, ...refusalsOfOne() },
} satisfies RouteDefinition;

const pause = {
  method: 'post',
  path: `${MISSION}/pause`,
  summary: 'Pause a mission',
  security: USER_TOKEN,
  request: { headers },
  responses: { 200: shown('The mission as it is now.'), ...refusalsOfOne() },
} satisfies RouteDefinition;

const resume = {
  method: 'post',
  path: `${MISSION}/resume`,
  summary: 'Resume a mission with its next regular time; what the pause passed over is not run',
  security: USER_TOKEN,
  request: { headers },
  responses: { 200: shown('The mission as it is now.'), ...refusalsOfOne() },
} satisfies RouteDefinition;

const run = {
  method: 'post',
  path: `${MISSION}/run`,
  summary: 'Make an active mission due now; one that is due already is left alone',
  security: USER_TOKEN,
  request: { headers },
  responses: {
    202: shown('It runs as soon as it is its turn.'),
    ...refusalsOfOne({ 409: 'MISSION_NOT_ACTIVE' }),
  },
} satisfies RouteDefinition;

const decide = {
  method: 'post',
  path: `${MISSION}/iterations/{iterationId}/review`,
  summary:
    'Approve, reject or reopen steps of an iteration, carry out what is approved, and say something for the next one: all of it or nothing',
  security: USER_TOKEN,
  request: { headers, ...takes(review) },
  responses: {
    200: shown('The mission as it is now.'),
    ...refusalsOfOne({
      400: 'BAD_REQUEST, MUST_BE_SEALED',
      404: 'MISSION_NOT_FOUND, ITERATION_NOT_FOUND, STEP_NOT_FOUND',
      409: 'STEP_CHANGED, STEP_DECIDED, RECORD_CHANGED (with the `record` as it is now)',
      413: 'BODY_TOO_LARGE',
    }),
  },
} satisfies RouteDefinition;

/** What a device can do, for people without the web app: each is one change row in the person's name. */
export function deviceRoutes(app: Hono, deps: RouteDeps): void {
  serveRoute(
    app,
    create,
    forPerson(deps, async (c, userId) => {
      const body = await readBody(c, create, MOST_MISSION_BYTES);
      if (!body.ok) return refuse(c, body.code, body.error);
      const { id, ...fields } = body.value;
      const rowId = rowIdOf(c, { userId, route: 'create', body: body.value });
      if (rowId === null) return refuseKey(c);
      return perform(c, deps, {
        userId,
        missionId: id ?? newMissionId(rowId),
        rowId,
        command: { kind: 'create', fields },
      });
    }),
  );
  serveRoute(
    app,
    change,
    forPerson(deps, async (c, userId) => {
      const body = await readBody(c, change, MOST_MISSION_BYTES);
      if (!body.ok) return refuse(c, body.code, body.error);
      return onMission(c, deps, userId, { kind: 'change', fields: body.value });
    }),
  );
  serveRoute(
    app,
    decide,
    forPerson(deps, async (c, userId) => {
      const body = await readBody(c, decide, MOST_REVIEW_BYTES);
      if (!body.ok) return refuse(c, body.code, body.error);
      const iterationId = pathId(c, 'iterationId');
      if (iterationId === null) return refusePathId(c, 'iterationId');
      return onMission(c, deps, userId, { kind: 'review', iterationId, ...body.value });
    }),
  );
  for (const [route, kind] of SIMPLE)
    serveRoute(
      app,
      route,
      forPerson(deps, async (c, userId) => onMission(c, deps, userId, { kind })),
    );
}

const SIMPLE = [
  [pause, 'pause'],
  [resume, 'resume'],
  [run, 'run'],
  [remove, 'delete'],
] as const;

async function onMission(
  c: Context,
  deps: RouteDeps,
  userId: string,
  command: DeviceCommand,
): Promise<Response> {
  const missionId = pathId(c, 'missionId');
  if (missionId === null) return refusePathId(c, 'missionId');
  const rowId = rowIdOf(c, { userId, route: `${command.kind} ${missionId}`, body: command });
  return rowId === null ? refuseKey(c) : perform(c, deps, { userId, missionId, rowId, command });
}

type Asked = { userId: string; missionId: string; rowId: string; command: DeviceCommand };

async function perform(
  c: Context,
  deps: RouteDeps,
  { userId, ...request }: Asked,
): Promise<Response> {
  const outcome = await deps.userMissions(userId).command(userId, request);
  if (!outcome.ok) return refused(c, outcome.refusal);
  const { mission, written } = outcome;
  switch (request.command.kind) {
    case 'delete':
      return c.body(null, 204);
    case 'create':
      return c.json({ mission }, written ? 201 : 200);
    case 'run':
      return c.json({ mission }, 202);
    default:
      return c.json({ mission });
  }
}

function refused(c: Context, refusal: Refusal): Response {
  const sentence = sentenceOf(refusal);
  const more = refusal.code === 'RECORD_CHANGED' ? { record: refusal.record } : {};
  return refuse(c, refusal.code, sentence, more);
}

/** Without a key each request is another one. Null: the key is none. */
function rowIdOf(
  c: Context,
  request: { userId: string; route: string; body: unknown },
): string | null {
  const key = c.req.header('idempotency-key');
  if (key === undefined) return crypto.randomUUID();
  return /^[!-~](?:[ -~]{0,253}[!-~])?$/.test(key) ? requestRowId({ ...request, key }) : null;
}

function refuseKey(c: Context): Response {
  return refuse(c, 'BAD_REQUEST', 'Idempotency-Key must be 1 to 255 printable ASCII characters.');
}

type Refusal = DeviceRefusal | { code: 'POSTGRES_UNAVAILABLE' };

function sentenceOf(refusal: Refusal): string {
  switch (refusal.code) {
    case 'MISSION_NOT_FOUND':
      return 'There is no such mission.';
    case 'MISSION_EXISTS':
      return 'There is a mission with this id already; change it instead.';
    case 'MISSION_NOT_ACTIVE':
      return 'Only an active mission runs; resume it first.';
    case 'ITERATION_NOT_FOUND':
      return 'The mission has no such iteration.';
    case 'STEP_NOT_FOUND':
      return `The iteration has no step ${refusal.stepId}.`;
    case 'STEP_CHANGED':
      return `Step ${refusal.stepId} is not what it was when you decided; look at it again.`;
    case 'STEP_DECIDED':
      return `Step ${refusal.stepId} was decided otherwise or carried out already.`;
    case 'BAD_REQUEST':
      return `Step ${refusal.stepId}: ${refusal.problem}`;
    case 'MUST_BE_SEALED':
      return `Step ${refusal.stepId}: ${refusal.field} must be encrypted, as ${refusal.sealing}.`;
    case 'RECORD_CHANGED':
      return `Step ${refusal.stepId}: a record is not what it was when you decided; look at it again.`;
    case 'POSTGRES_UNAVAILABLE':
      return 'The log cannot be written right now; try again.';
    default:
      return refusal satisfies never;
  }
}
