import type { Statement } from '../postgres/port.ts';
import { type ChangeCursor, pageOf } from './queries.ts';

/** Where a record stands in a person's log. */
export type RecordKey = { appId: string; table: string; recordId: string };

/**
 * Keys of a person's records in the order of app, table and id, after `after`. `where`: null for
 * any app or table. Byte order, so that a page goes on where the last one ended whatever the
 * database's locale is.
 */
export function selectRecordKeys(
  userId: string,
  where: { appId: string | null; table: string | null },
  after: RecordKey | null,
  most: number,
): Statement {
  return {
    text: `
      select app_id, table_name, record_id from (
        select distinct app_id, table_name, record_id from sync_changes
        where user_id = $1 and ($2::text is null or app_id = $2) and ($3::text is null or table_name = $3)
      ) as keys
      where $4::text is null
        or (app_id collate "C", table_name collate "C", record_id collate "C") > ($4, $5, $6)
      order by app_id collate "C", table_name collate "C", record_id collate "C" limit $7`,
    values: [
      userId,
      where.appId,
      where.table,
      after?.appId ?? null,
      after?.table ?? null,
      after?.recordId ?? null,
      most,
    ],
  };
}

/** Keys of the person's records of these tables and ids, in whatever app. */
export function selectKeysOf(
  userId: string,
  refs: readonly { tableName: string; recordId: string }[],
): Statement {
  return {
    text: `select distinct app_id, table_name, record_id from sync_changes
      join jsonb_to_recordset($2::jsonb) as wanted ("tableName" text, "recordId" text)
        on table_name = wanted."tableName" and record_id = wanted."recordId"
      where user_id = $1`,
    values: [userId, JSON.stringify(refs)],
  };
}

/** One page of all changes of some records, in log order. */
export function selectChangesOf(
  userId: string,
  keys: readonly RecordKey[],
  cursor: ChangeCursor,
): Statement {
  return pageOf(
    `user_id = $3 and (app_id, table_name, record_id) in (
      select wanted."appId", wanted."table", wanted."recordId"
      from jsonb_to_recordset($4::jsonb) as wanted ("appId" text, "table" text, "recordId" text))`,
    [userId, JSON.stringify(keys)],
    cursor,
  );
}

/**
 * How the person's encrypted fields are written. `vault`: 'true' where mana-auth keeps a vault of
 * theirs. `app`: 'true' where a device of theirs has written `enc:1:`, which the existing app does,
 * and it reads nothing else.
 */
export function selectSealing(userId: string): Statement {
  return {
    text: `select exists (select 1 from mana_auth.vault_owners where user_id = $1)::text as vault,
      exists (select 1 from sync_changes
        where user_id = $1 and client_id not in ('mana-ai-runner', 'mana-edge-api')
          and data::text like '%"enc:1:%')::text as app`,
    values: [userId],
  };
}

/** Ids of these change rows that stand in the person's log. */
export function selectStandingRows(userId: string, rowIds: readonly string[]): Statement {
  return {
    text: `select id::text as id from sync_changes
      where user_id = $1 and id in (select value::uuid from jsonb_array_elements_text($2::jsonb))`,
    values: [userId, JSON.stringify(rowIds)],
  };
}

/** Whether any row of the person's names this space: 'true' or 'false'. */
export function selectKnowsSpace(userId: string, spaceId: string): Statement {
  return {
    text: `select exists (select 1 from sync_changes where user_id = $1 and space_id = $2)::text as known`,
    values: [userId, spaceId],
  };
}

/** Apps to which another device of the person has written since `since`. */
export function selectAppsInUse(userId: string, since: string): Statement {
  return {
    text: `select distinct app_id from sync_changes
      where user_id = $1 and created_at >= $2::timestamptz
        and client_id not in ('mana-ai-runner', 'mana-edge-api')`,
    values: [userId, since],
  };
}
