-- What the grants Worker keeps: wrapped master keys, who used them, and the sealed keys of grants.

-- One row per person. In zero-knowledge mode the server has no master key, only the person's own wrap of it.
create table if not exists mana_auth.vault (
  user_id             text primary key check (length(user_id) between 1 and 256),
  -- base64 of IV, ciphertext and tag under the key-encryption key that kek_id names
  wrapped_key         text,
  kek_id              text,
  zero_knowledge      boolean not null default false,
  -- opaque to us: the master key under a key that only the person's recovery code gives
  recovery_wrapped_mk text,
  recovery_iv         text,
  recovery_set_at     timestamptz,
  created_at          timestamptz not null default now(),
  rotated_at          timestamptz,
  constraint vault_wrap_whole check ((wrapped_key is null) = (kek_id is null)),
  constraint vault_recovery_whole check (
    (recovery_wrapped_mk is null) = (recovery_iv is null) and (recovery_wrapped_mk is null) = (recovery_set_at is null)
  ),
  -- Either the server or the recovery code opens it: a row that neither opens is a person's data lost.
  constraint vault_one_keeper check (zero_knowledge = (wrapped_key is null)),
  constraint vault_recoverable check (not zero_knowledge or recovery_wrapped_mk is not null)
);
create index if not exists vault_kek_id on mana_auth.vault (kek_id, user_id);

-- One row per use of the vault, written in the transaction that reads or changes the key. Rows are never changed.
create table if not exists mana_auth.vault_audit (
  id       bigint generated always as identity primary key,
  user_id  text not null,
  at       timestamptz not null default clock_timestamp(),
  action   text not null,
  -- the key-encryption key that the row was wrapped with, null in zero-knowledge mode
  kek_id   text,
  -- the grant that was minted
  grant_id text
);
create index if not exists vault_audit_user_id on mana_auth.vault_audit (user_id, id);

create table if not exists mana_auth.grants (
  jti        text primary key,
  user_id    text not null,
  mission    text not null,
  -- erased by revocation and after expiry
  keys_jwe   text,
  issued_at  timestamptz not null,
  expires_at timestamptz not null,
  revoked_at timestamptz,
  records    jsonb not null default '[]',
  llm        text not null default 'any' check (llm in ('any', 'local')),
  -- issued_at is the token's iat, in whole seconds; the limit of mints a minute counts by this
  created_at timestamptz not null default clock_timestamp()
);
create index if not exists grants_user_id on mana_auth.grants (user_id, created_at desc);
create index if not exists grants_expires_at on mana_auth.grants (expires_at) where keys_jwe is not null;

do $$
declare
  name text;
begin
  foreach name in array array['vault', 'vault_audit', 'grants'] loop
    execute format('alter table mana_auth.%I enable row level security', name);
    execute format('alter table mana_auth.%I force row level security', name);
    execute format('drop policy if exists %I on mana_auth.%I', name || '_user_isolation', name);
    execute format(
      'create policy %I on mana_auth.%I using (user_id = current_setting(''app.current_user_id'', true))
         with check (user_id = current_setting(''app.current_user_id'', true))',
      name || '_user_isolation', name
    );
    execute format('revoke all on mana_auth.%I from public, mana_auth_service, mana_ai_runner', name);
  end loop;
end
$$;

grant select, insert, update on mana_auth.vault to mana_auth_service;
grant select, insert on mana_auth.vault_audit to mana_auth_service;
grant select, insert on mana_auth.grants to mana_auth_service;
-- Of a grant only its end may change.
grant update (keys_jwe, revoked_at) on mana_auth.grants to mana_auth_service;

-- All that the runner may see of this schema. The condition holds by itself: a view reads with its owner's rights, and an owner that
-- is a superuser is under no policy.
create or replace view mana_auth.grant_uses with (security_barrier) as
  select jti, user_id, mission, keys_jwe, expires_at, revoked_at
  from mana_auth.grants
  where user_id = current_setting('app.current_user_id', true);
revoke all on mana_auth.grant_uses from public, mana_auth_service, mana_ai_runner;
grant usage on schema mana_auth to mana_ai_runner;
grant select on mana_auth.grant_uses to mana_ai_runner;

-- Two tasks concern all users: functions with their owner's rights do exactly these. Where the owner is no superuser, it is under the
-- forced policies too and needs these two.
drop policy if exists grants_sweep on mana_auth.grants;
create policy grants_sweep on mana_auth.grants to current_user using (expires_at <= now());
drop policy if exists vault_rewrap on mana_auth.vault;
create policy vault_rewrap on mana_auth.vault for select to current_user using (true);

-- Erases the keys of grants whose time is over; returns how many.
create or replace function mana_auth.erase_expired_keys() returns bigint
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  with erased as (
    update mana_auth.grants set keys_jwe = null where keys_jwe is not null and expires_at <= now() returning 1
  )
  select count(*) from erased
$$;

-- Names up to "most" users after "after" whose master key is wrapped by another key-encryption key than the current one.
create or replace function mana_auth.users_to_rewrap(current_kek_id text, after text, most int) returns setof text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select user_id from mana_auth.vault where kek_id <> current_kek_id and user_id > after order by user_id limit most
$$;
revoke all on function mana_auth.erase_expired_keys(), mana_auth.users_to_rewrap(text, text, int) from public;
grant execute on function mana_auth.erase_expired_keys(), mana_auth.users_to_rewrap(text, text, int) to mana_auth_service;
