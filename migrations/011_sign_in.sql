-- How a person signs in at the console: links that count once, sessions by the public half of a browser's key, and passkeys.

create table if not exists mana_auth.sign_in_links (
  -- base64url of the SHA-256 of the secret, which stands in the link alone
  secret_hash text primary key,
  user_id     text not null check (length(user_id) between 1 and 256),
  created_at  timestamptz not null default clock_timestamp(),
  expires_at  timestamptz not null,
  used_at     timestamptz
);
create index if not exists sign_in_links_user_id on mana_auth.sign_in_links (user_id);

create table if not exists mana_auth.sessions (
  session_id    text primary key,
  user_id       text not null check (length(user_id) between 1 and 256),
  -- a P-256 key as a JWK; the private half never leaves the browser that made it
  public_key    jsonb not null,
  name          text not null,
  created_at    timestamptz not null default clock_timestamp(),
  last_used_at  timestamptz not null default clock_timestamp(),
  -- milliseconds since 1970 of the newest proof: the next one has to be above
  last_proof_at bigint not null default 0
);
create index if not exists sessions_user_id on mana_auth.sessions (user_id, last_used_at desc);

create table if not exists mana_auth.passkeys (
  credential_id text primary key,
  user_id       text not null check (length(user_id) between 1 and 256),
  -- base64url of the COSE key
  public_key    text not null,
  counter       bigint not null default 0,
  transports    jsonb not null default '[]',
  name          text not null,
  created_at    timestamptz not null default clock_timestamp(),
  last_used_at  timestamptz,
  -- the master key under what the passkey's PRF gives, made beside a recovery code: opaque to us
  wrap_iv       text,
  wrapped_mk    text,
  wrap_set_at   timestamptz,
  constraint passkeys_wrap_whole check (
    (wrap_iv is null) = (wrapped_mk is null) and (wrap_iv is null) = (wrap_set_at is null)
  )
);
create index if not exists passkeys_user_id on mana_auth.passkeys (user_id, created_at);

-- Challenges are signed and not kept; one that was answered is noted until it would have ended, so that it counts once.
create table if not exists mana_auth.answered_challenges (
  challenge  text primary key,
  user_id    text not null,
  expires_at timestamptz not null
);

do $$
declare
  name text;
begin
  foreach name in array array['sign_in_links', 'sessions', 'passkeys', 'answered_challenges'] loop
    execute format('alter table mana_auth.%I enable row level security', name);
    execute format('alter table mana_auth.%I force row level security', name);
    execute format('drop policy if exists %I on mana_auth.%I', name || '_user_isolation', name);
    execute format(
      'create policy %I on mana_auth.%I using (user_id = current_setting(''app.current_user_id'', true))
         with check (user_id = current_setting(''app.current_user_id'', true))',
      name || '_user_isolation', name
    );
    -- The functions below find rows of all users. An owner that is no superuser is under the forced policies too.
    execute format('drop policy if exists %I on mana_auth.%I', name || '_owner', name);
    execute format('create policy %I on mana_auth.%I to current_user using (true)', name || '_owner', name);
    execute format('revoke all on mana_auth.%I from public, mana_auth_service, mana_ai_runner', name);
  end loop;
end
$$;

grant select, insert, update on mana_auth.sign_in_links to mana_auth_service;
grant select, insert, update, delete on mana_auth.sessions, mana_auth.passkeys to mana_auth_service;
grant select, insert on mana_auth.answered_challenges to mana_auth_service;

-- Whose a link, a session or a passkey is: nobody is signed in yet, so there is no user whose rows could be read. Everything else happens
-- under that user's row-level security.
create or replace function mana_auth.sign_in_owner(kind text, wanted text) returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select case kind
    when 'link' then (select user_id from mana_auth.sign_in_links where secret_hash = wanted)
    when 'session' then (select user_id from mana_auth.sessions where session_id = wanted)
    when 'passkey' then (select user_id from mana_auth.passkeys where credential_id = wanted)
  end
$$;

-- Removes links and challenges whose time is over, and sessions that were not used for 30 days; answers how many rows went.
create or replace function mana_auth.remove_ended_sign_ins() returns bigint
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  with links as (delete from mana_auth.sign_in_links where expires_at <= now() returning 1),
    challenges as (delete from mana_auth.answered_challenges where expires_at <= now() returning 1),
    sessions as (
      delete from mana_auth.sessions where last_used_at <= now() - interval '30 days' returning 1
    )
  select (select count(*) from links) + (select count(*) from challenges) + (select count(*) from sessions)
$$;
revoke all on function mana_auth.sign_in_owner(text, text), mana_auth.remove_ended_sign_ins() from public;
grant execute on function mana_auth.sign_in_owner(text, text), mana_auth.remove_ended_sign_ins() to mana_auth_service;
