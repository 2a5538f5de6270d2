import { env } from 'cloudflare:workers';
import { reset, runInDurableObject } from 'cloudflare:test';
import * as fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { WorkerEnv } from '../../src/mana-ai/index.ts';

const bindings = env as unknown as WorkerEnv;

afterEach(() => reset());

/** An object as its alarm finds it, with the parts that an attack replaces. */
type Attacked = {
  alarm(): Promise<void>;
  env: Record<string, unknown>;
  ctx: Record<string, unknown>;
};

/** What can be wrong with another object: its name cannot be resolved, a call of it throws, fails later, or answers nonsense. */
const faults = ['none', 'unresolvable', 'throws', 'rejects', 'null', 'nonsense'] as const;
type Fault = (typeof faults)[number];

const rejection = { durableObjectReset: true };

function broken(namespace: unknown, fault: Fault): unknown {
  if (fault === 'none') return namespace;
  const method = (): unknown => {
    if (fault === 'throws') throw new Error('attack');
    if (fault === 'rejects') return Promise.reject(Object.assign(new Error('attack'), rejection));
    return Promise.resolve(
      fault === 'null' ? null : { ok: true, results: [[{ since: 'soon', present: 'true' }]] },
    );
  };
  const stub = new Proxy({}, { get: () => method });
  return {
    getByName: () => {
      if (fault === 'unresolvable') throw new Error('attack');
      return stub;
    },
  };
}

/** Rows that no build of ours would write, in whichever tables there are. */
const corruptions = [
  `insert or replace into meta (name, value) values ('turn_failures', 'NaN')`,
  `insert or replace into records (table_name, record_id, part, body) values ('aiMissions', 'm', 0, '{"fields":')`,
  `insert or replace into due (mission_id, due_ms) values ('m', 1)`,
  `insert or replace into runs (run_id, mission_id, part, body) values ('r', 'm', 0, 'no json')`,
  `insert or replace into feed (name, value) values ('horizon', 'no number')`,
  `insert or replace into feed (name, value) values ('sweep_cursor', 'x')`,
  `insert or replace into agenda (user_id, due_ms, ready_ms) values ('u', 1, 1)`,
  'drop table if exists attempts',
  'drop table if exists agenda',
  'drop table if exists delivered',
  'drop table if exists outages',
] as const;

const attacks = fc.record({
  pool: fc.constantFrom(...faults),
  dispatcher: fc.constantFrom(...faults),
  users: fc.constantFrom(...faults),
  corrupt: fc.uniqueArray(fc.constantFrom(...corruptions), { maxLength: 4 }),
});

const objects = [
  ['UserMissions', () => bindings.USER_MISSIONS.getByName(crypto.randomUUID())],
  ['Dispatcher', () => bindings.DISPATCHER.getByName(crypto.randomUUID())],
  ['ChangeFeed', () => bindings.CHANGE_FEED.getByName(crypto.randomUUID())],
] as const;

describe('no exception leaves an alarm handler', () => {
  it.each(objects)(
    'of %s, whatever the others do and whatever its storage holds',
    async (_name, stubOf) => {
      await fc.assert(
        fc.asyncProperty(attacks, async ({ pool, dispatcher, users, corrupt }) => {
          const alarm = runInDurableObject(
            stubOf() as DurableObjectStub,
            async (instance, { storage }) => {
              const attacked = instance as unknown as Attacked;
              attacked.ctx = { storage, waitUntil: () => undefined, abort: () => undefined };
              attacked.env = {
                ...attacked.env,
                DATABASE_URL: 'postgres://nobody@127.0.0.1:9/none',
                POSTGRES_POOL: broken(bindings.POSTGRES_POOL, pool),
                DISPATCHER: broken(bindings.DISPATCHER, dispatcher),
                USER_MISSIONS: broken(bindings.USER_MISSIONS, users),
              };
              // Once in good order, so that its tables are there and it has a user to work for.
              await attacked.alarm();
              for (const statement of [
                `insert or replace into meta (name, value) values ('user_id', 'u')`,
                ...corrupt,
              ]) {
                tryTo(() => storage.sql.exec(statement));
              }
              await attacked.alarm();
              await storage.deleteAlarm();
            },
          );
          await expect(alarm).resolves.toBeUndefined();
        }),
        { numRuns: 60 },
      );
    },
  );
});

/** Not every object has every table. */
function tryTo(attack: () => void): void {
  try {
    attack();
  } catch {
    // Then there is nothing to attack.
  }
}
