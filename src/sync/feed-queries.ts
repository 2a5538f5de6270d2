import type { Statement } from '../postgres/port.ts';

const PAGE_ROWS = 500;

/** Where the feed stands in the outbox: transactions below `horizon` are all seen. */
export type OutboxPosition = { horizon: string; afterXid: string; afterId: string };

/**
 * One page of the outbox and the snapshot that it was read under, in a single statement so that both agree.
 * Columns: `horizon` (oldest transaction still open), `newest` (the first one not yet begun), `entries` (JSON list of
 * { id, userId, since, xid }, ordered by xid and id).
 * @see PostgreSQL manual, 9.28 "Transaction ID and Snapshot Information Functions"
 */
export function selectOutboxPage(position: OutboxPosition): Statement {
  return {
    text: `
      with entries as (
        select id, user_id, since, xid from mana_ai.change_outbox
        where xid >= $1::xid8 and (xid, id) > ($2::xid8, $3::bigint)
        order by xid, id limit ${PAGE_ROWS}
      )
      select pg_snapshot_xmin(pg_current_snapshot())::text as horizon,
        pg_snapshot_xmax(pg_current_snapshot())::text as newest,
        coalesce((select json_agg(json_build_object('id', id::text, 'userId', user_id, 'xid', xid::text,
          'since', to_char(since at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) order by xid, id) from entries), '[]')::text as entries`,
    values: [position.horizon, position.afterXid, position.afterId],
  };
}

/** How many changes the trigger could not note, as text in the column `missed`; an aborted transaction counts as well. */
export function selectMissedChanges(): Statement {
  return {
    text: `select (case when is_called then last_value else 0 end)::text as missed from mana_ai.missed_changes`,
    values: [],
  };
}

/** Forgets entries that no later poll reads again. */
export function deleteOutboxBelow(horizon: string): Statement {
  return { text: `delete from mana_ai.change_outbox where xid < $1::xid8`, values: [horizon] };
}

/** A slice of all known users in order of id, for sweeps. */
export function selectUsersAfter(userId: string, limit: number): Statement {
  return {
    text: `select user_id from mana_ai.users where user_id > $1 order by user_id limit $2::int`,
    values: [userId, limit],
  };
}

export const OUTBOX_PAGE_ROWS = PAGE_ROWS;

/** Sends a notification to whoever listens on a channel, with the commit. */
export function notifyOf({ channel, payload }: { channel: string; payload: string }): Statement {
  return { text: `select pg_notify($1, $2)`, values: [channel, payload] };
}
