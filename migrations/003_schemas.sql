-- Our own tables, and what each role may do.
create schema if not exists mana_ai;
create schema if not exists mana_auth;

create table if not exists mana_ai.users (
  user_id text primary key
);

-- One row per user and statement that touched the user's 'ai' records. xid orders by transaction, not by time:
-- created_at is a transaction's start, so no cursor over it is safe.
create table if not exists mana_ai.change_outbox (
  id      bigint generated always as identity primary key,
  user_id text,
  since   timestamptz,
  xid     xid8 not null default pg_current_xact_id()
);
create index if not exists change_outbox_xid_id on mana_ai.change_outbox (xid, id);
create index if not exists change_outbox_user_id on mana_ai.change_outbox (user_id);

revoke all on public.sync_changes from mana_ai_runner;
grant usage on schema public, mana_ai to mana_ai_runner;
grant select, insert on public.sync_changes to mana_ai_runner;
grant select, delete on mana_ai.change_outbox, mana_ai.users to mana_ai_runner;
-- `serve` may run under a login that is only a member of these roles: it checks the ledger at its start.
grant select on mana_ai.migrations to mana_ai_runner;
grant usage on schema mana_auth to mana_auth_service;
