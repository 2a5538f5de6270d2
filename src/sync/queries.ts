import type { DeviceChangeRow, NewChangeRow } from './change-row.ts';
import type { EndedGrant } from './ended-grants.ts';
import type { Statement } from '../postgres/port.ts';

/** Where a page of changes starts: rows at or after an instant, or strictly after a row already read. */
export type ChangeCursor =
  { kind: 'from'; createdAt: string } | { kind: 'after'; createdAt: string; id: string };

/** The whole log of a user. */
export const FROM_THE_BEGINNING: ChangeCursor = { kind: 'from', createdAt: '-infinity' };

const PAGE_ROWS = 200;
const PAGE_BYTES = 4_000_000;

const INSTANT_TEXT = `'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'`;

/** A row above these sizes would not fit through memory; without its data it is skipped and counted like other unusable rows. */
const MOST_DATA_BYTES = 8_000_000;
const MOST_META_BYTES = 1_000_000;

/** Postgres knows times that no calendar does; they count as the earliest, and `cursor_at` still pages past them. */
const FINITE_CREATED_AT = `case when isfinite(created_at) then created_at else timestamptz '1700-01-01 00:00:00Z' end`;

const CHANGE_COLUMNS = `id::text as id, table_name, record_id, op, client_id,
  case when octet_length(data::text) <= ${MOST_DATA_BYTES} then data::text end as data,
  case when octet_length(field_meta::text) <= ${MOST_META_BYTES} then field_meta::text end as field_meta,
  to_char(${FINITE_CREATED_AT} at time zone 'utc', ${INSTANT_TEXT}) as created_at,
  created_at::text as cursor_at, schema_version::text as schema_version,
  actor::text as actor, origin, space_id`;

/** One page of a user's missions and agents in log order. */
export function selectChanges(userId: string, cursor: ChangeCursor): Statement {
  return pageOf(
    `user_id = $3 and app_id = 'ai' and table_name in ('aiMissions', 'agents')`,
    [userId],
    cursor,
  );
}

/** One page of the changes of one record of any app, in log order. */
export function selectRecordChanges(
  record: { userId: string; appId: string; tableName: string; recordId: string },
  cursor: ChangeCursor,
): Statement {
  const { userId, appId, tableName, recordId } = record;
  const values = [userId, appId, tableName, recordId];
  return pageOf(
    `user_id = $3 and app_id = $4 and table_name = $5 and record_id = $6`,
    values,
    cursor,
  );
}

/** One page of the changes of a mission that write its `iterations`, in log order. */
export function selectIterationChanges(
  userId: string,
  missionId: string,
  cursor: ChangeCursor,
): Statement {
  const where = `user_id = $3 and app_id = 'ai' and table_name = 'aiMissions' and record_id = $4 and data ? 'iterations'`;
  return pageOf(where, [userId, missionId], cursor);
}

/**
 * How the log stands for some records of the user, a row each, in their order: `mark` is how many rows there are and when the
 * newest one was created.
 */
export function selectRecordMarks(
  userId: string,
  records: readonly { appId: string; tableName: string; recordId: string }[],
): Statement {
  const wanted = records.map(({ appId, tableName, recordId }) => [appId, tableName, recordId]);
  return {
    text: `select (
        select count(*)::text || ' ' || coalesce(to_char(max(${FINITE_CREATED_AT}) at time zone 'utc', ${INSTANT_TEXT}), '')
        from sync_changes where user_id = $1 and app_id = r.item->>0 and table_name = r.item->>1 and record_id = r.item->>2
      ) as mark
      from jsonb_array_elements($2::jsonb) with ordinality as r(item, position) order by r.position`,
    values: [userId, JSON.stringify(wanted)],
  };
}

/** Ids of a table's records, those that changed last first. */
export function selectRecordIds(
  table: { userId: string; appId: string; tableName: string },
  most: number,
): Statement {
  return {
    text: `select record_id from sync_changes where user_id = $1 and app_id = $2 and table_name = $3
      group by record_id order by max(created_at) desc, record_id limit $4`,
    values: [table.userId, table.appId, table.tableName, most],
  };
}

/** Ids of the time blocks that name an event, the newest first: an event has one, and some that were moved or taken back. */
export function selectTimeBlockIds(userId: string, eventId: string): Statement {
  return {
    text: `select record_id from sync_changes
      where user_id = $1 and app_id = 'timeblocks' and table_name = 'timeBlocks' and data ->> 'sourceId' = $2
      group by record_id order by max(created_at) desc, record_id limit 5`,
    values: [userId, eventId],
  };
}

/**
 * At most 200 rows and about 4 MB, but always one row if there is any. The row limit is applied before sizes are added up, so that
 * the cost of a page does not depend on the length of the log. $1 and $2 are the cursor, `where` goes on with $3.
 */
export function pageOf(where: string, values: readonly string[], cursor: ChangeCursor): Statement {
  return {
    text: `
      with page as (
        select * from sync_changes
        where ${where}
          and created_at >= $1::timestamptz
          and ($2::uuid is null or (created_at, id) > ($1::timestamptz, $2::uuid))
        order by created_at, id
        limit ${PAGE_ROWS}
      ), sized as (
        select page.*, row_number() over in_order as position,
          sum(coalesce(octet_length(data::text), 0)) over in_order as bytes
        from page window in_order as (order by created_at, id)
      )
      select ${CHANGE_COLUMNS}, (select count(*) from page)::text as page_rows from sized where bytes <= ${PAGE_BYTES} or position = 1 order by sized.created_at, sized.id`,
    values: [cursor.createdAt, cursor.kind === 'after' ? cursor.id : null, ...values],
  };
}

/** Whether nothing follows the rows of a page: it was neither full nor cut for its size. */
export function isLastPage(rows: readonly Readonly<Record<string, string | null>>[]): boolean {
  return rows.length < PAGE_ROWS && rows.length === Number(rows[0]?.['page_rows'] ?? 0);
}

/** One change row of the user by its id. */
export function selectChangeById(userId: string, id: string): Statement {
  return {
    text: `select ${CHANGE_COLUMNS} from sync_changes where user_id = $1 and id = $2::uuid`,
    values: [userId, id],
  };
}

/**
 * `since`: where the changes start that the change feed may not have delivered yet; null if there are none.
 * `present`: 'true' while the user has any row of app 'ai' that is not ours; a person who is gone must not live on by our own rows.
 */
export function selectPending(userId: string): Statement {
  return {
    text: `select (select min(since)::text from mana_ai.change_outbox where user_id = $1) as since,
      exists (select 1 from sync_changes where user_id = $1 and app_id = 'ai' and client_id <> 'mana-ai-runner')::text as present`,
    values: [userId],
  };
}

/**
 * Puts a person on the list that sweeps go through, should the trigger not have done it (a bulk insert, a transaction rolled back).
 * Where an open transaction adds the same person (it holds the trigger's advisory lock) nothing is done: waiting for its end would
 * hold up the person's missions.
 */
export function insertUser(userId: string): Statement {
  return {
    text: `insert into mana_ai.users (user_id) select $1
      where pg_try_advisory_xact_lock(hashtextextended('mana_ai.users:' || $1, 0)) on conflict do nothing`,
    values: [userId],
  };
}

/** Ends grants of the user, with their keys, where mana-auth keeps them; those that have ended already stay as they are. */
export function endGrants(ended: readonly EndedGrant[]): Statement {
  const list = ended.map(({ missionId, grantId, until }) => ({
    mission: missionId,
    grant: grantId,
    until,
  }));
  return {
    text: `select mana_auth.end_grants($1::jsonb)::text as ended`,
    values: [JSON.stringify(list)],
  };
}

/** Takes a person who is gone off the list that sweeps go through. */
export function deleteUser(userId: string): Statement {
  return { text: `delete from mana_ai.users where user_id = $1`, values: [userId] };
}

/**
 * When a row of ours says that it was made. A device asks for what was made after its last pull, by the server's clock, so a row that is
 * committed after a pull and was begun before it would never be asked for. A quarter of a second ahead outlasts our transactions, and
 * the clock moves on between two statements: devices cannot page past one of two rows that share a moment.
 */
const CREATED_AT = `clock_timestamp() + interval '250 milliseconds'`;

/** Appends a row unless its id is there already; returns `created_at` only where it was written. */
export function insertChange(row: NewChangeRow | DeviceChangeRow): Statement {
  return {
    text: `
      insert into sync_changes
        (id, app_id, table_name, record_id, user_id, op, data, field_meta, client_id, actor, origin, space_id,
        created_at)
      values ($1::uuid, $2, $3, $4, $5, $6, $7::jsonb, $8::jsonb, $9, $10::jsonb, $11, $12, ${CREATED_AT})
      on conflict (id) do nothing
      returning to_char(created_at at time zone 'utc', ${INSTANT_TEXT}) as created_at`,
    values: [
      row.id,
      row.appId,
      row.tableName,
      row.recordId,
      row.userId,
      row.op,
      toJsonText(row.data),
      toJsonText(row.fieldMeta),
      row.clientId,
      toJsonText(row.actor),
      row.origin,
      row.spaceId,
    ],
  };
}

/** jsonb takes neither U+0000 nor lone surrogates; a model may send both. */
function toJsonText(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'string' ? part.toWellFormed().replaceAll('\u0000', '') : part,
  );
}
