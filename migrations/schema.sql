-- What the migrations make, all of them applied, as `npm run schema` reads it back from PostgreSQL 18.
-- It is for reading and for comparing, and no program reads it. A test fails while it differs.

-- ---- Roles

create role mana_ai_runner;
create role mana_auth_service;

-- ---- Schemas

create schema mana_ai;
create schema mana_auth;

-- ---- Tables

create table mana_ai.change_outbox (
  id bigint not null generated always as identity,
  user_id text,
  since timestamp with time zone,
  xid xid8 not null default pg_current_xact_id()
);
create table mana_ai.decrypt_audit (
  user_id text not null,
  seq bigint not null,
  kind text not null,
  mission_id text,
  iteration_id text,
  table_name text,
  record_id text,
  status text not null,
  reason text,
  ts text not null,
  attempt_seq bigint,
  prev_hash text not null,
  hash text not null
);
create table mana_ai.migrations (
  name text not null,
  applied_at timestamp with time zone not null default now()
);
create table mana_ai.users (
  user_id text not null
);
create table mana_auth.answered_challenges (
  challenge text not null,
  user_id text not null,
  expires_at timestamp with time zone not null
);
create table mana_auth.grants (
  jti text not null,
  user_id text not null,
  mission text not null,
  keys_jwe text,
  issued_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  revoked_at timestamp with time zone,
  records jsonb not null default '[]'::jsonb,
  llm text not null default 'any'::text,
  created_at timestamp with time zone not null default clock_timestamp()
);
create table mana_auth.passkeys (
  credential_id text not null,
  user_id text not null,
  public_key text not null,
  counter bigint not null default 0,
  transports jsonb not null default '[]'::jsonb,
  name text not null,
  created_at timestamp with time zone not null default clock_timestamp(),
  last_used_at timestamp with time zone,
  wrap_iv text,
  wrapped_mk text,
  wrap_set_at timestamp with time zone
);
create table mana_auth.sessions (
  session_id text not null,
  user_id text not null,
  public_key jsonb not null,
  name text not null,
  created_at timestamp with time zone not null default clock_timestamp(),
  last_used_at timestamp with time zone not null default clock_timestamp(),
  last_proof_at bigint not null default 0
);
create table mana_auth.sign_in_links (
  secret_hash text not null,
  user_id text not null,
  created_at timestamp with time zone not null default clock_timestamp(),
  expires_at timestamp with time zone not null,
  used_at timestamp with time zone
);
create table mana_auth.vault (
  user_id text not null,
  wrapped_key text,
  kek_id text,
  zero_knowledge boolean not null default false,
  recovery_wrapped_mk text,
  recovery_iv text,
  recovery_set_at timestamp with time zone,
  created_at timestamp with time zone not null default now(),
  rotated_at timestamp with time zone
);
create table mana_auth.vault_audit (
  id bigint not null generated always as identity,
  user_id text not null,
  at timestamp with time zone not null default clock_timestamp(),
  action text not null,
  kek_id text,
  grant_id text
);
create table public.sync_changes (
  id uuid not null default gen_random_uuid(),
  app_id text not null,
  table_name text not null,
  record_id text not null,
  user_id text not null,
  op text not null,
  data jsonb,
  field_meta jsonb default '{}'::jsonb,
  client_id text not null,
  created_at timestamp with time zone not null default now(),
  schema_version integer not null default 1,
  actor jsonb,
  origin text,
  space_id text
);

-- ---- Constraints

alter table mana_ai.change_outbox add constraint change_outbox_pkey PRIMARY KEY (id);
alter table mana_ai.decrypt_audit add constraint decrypt_audit_check CHECK ((attempt_seq < seq));
alter table mana_ai.decrypt_audit add constraint decrypt_audit_check1 CHECK (
CASE kind
    WHEN 'attempt'::text THEN ((status = 'pending'::text) AND (attempt_seq IS NULL))
    WHEN 'outcome'::text THEN ((status = ANY (ARRAY['ok'::text, 'failed'::text, 'scope-violation'::text])) AND (attempt_seq IS NOT NULL))
    ELSE ((status = 'ok'::text) AND (attempt_seq IS NULL))
END);
alter table mana_ai.decrypt_audit add constraint decrypt_audit_check2 CHECK (((kind = 'checkpoint'::text) OR ((mission_id IS NOT NULL) AND (table_name IS NOT NULL) AND (record_id IS NOT NULL))));
alter table mana_ai.decrypt_audit add constraint decrypt_audit_kind_check CHECK ((kind = ANY (ARRAY['attempt'::text, 'outcome'::text, 'checkpoint'::text])));
alter table mana_ai.decrypt_audit add constraint decrypt_audit_pkey PRIMARY KEY (user_id, seq);
alter table mana_ai.decrypt_audit add constraint decrypt_audit_seq_check CHECK (((seq >= 1) AND (seq <= '9007199254740991'::bigint)));
alter table mana_ai.decrypt_audit add constraint decrypt_audit_ts_check CHECK ((ts ~ '^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$'::text));
alter table mana_ai.decrypt_audit add constraint decrypt_audit_user_id_attempt_seq_fkey FOREIGN KEY (user_id, attempt_seq) REFERENCES mana_ai.decrypt_audit(user_id, seq);
alter table mana_ai.decrypt_audit add constraint decrypt_audit_user_id_attempt_seq_key UNIQUE (user_id, attempt_seq);
alter table mana_ai.decrypt_audit add constraint decrypt_audit_user_id_check CHECK (((length(user_id) >= 1) AND (length(user_id) <= 256)));
alter table mana_ai.migrations add constraint migrations_pkey PRIMARY KEY (name);
alter table mana_ai.users add constraint users_pkey PRIMARY KEY (user_id);
alter table mana_auth.answered_challenges add constraint answered_challenges_pkey PRIMARY KEY (challenge);
alter table mana_auth.grants add constraint grants_llm_check CHECK ((llm = ANY (ARRAY['any'::text, 'local'::text])));
alter table mana_auth.grants add constraint grants_pkey PRIMARY KEY (jti);
alter table mana_auth.passkeys add constraint passkeys_pkey PRIMARY KEY (credential_id);
alter table mana_auth.passkeys add constraint passkeys_user_id_check CHECK (((length(user_id) >= 1) AND (length(user_id) <= 256)));
alter table mana_auth.passkeys add constraint passkeys_wrap_whole CHECK ((((wrap_iv IS NULL) = (wrapped_mk IS NULL)) AND ((wrap_iv IS NULL) = (wrap_set_at IS NULL))));
alter table mana_auth.sessions add constraint sessions_pkey PRIMARY KEY (session_id);
alter table mana_auth.sessions add constraint sessions_user_id_check CHECK (((length(user_id) >= 1) AND (length(user_id) <= 256)));
alter table mana_auth.sign_in_links add constraint sign_in_links_pkey PRIMARY KEY (secret_hash);
alter table mana_auth.sign_in_links add constraint sign_in_links_user_id_check CHECK (((length(user_id) >= 1) AND (length(user_id) <= 256)));
alter table mana_auth.vault add constraint vault_one_keeper CHECK ((zero_knowledge = (wrapped_key IS NULL)));
alter table mana_auth.vault add constraint vault_pkey PRIMARY KEY (user_id);
alter table mana_auth.vault add constraint vault_recoverable CHECK (((NOT zero_knowledge) OR (recovery_wrapped_mk IS NOT NULL)));
alter table mana_auth.vault add constraint vault_recovery_whole CHECK ((((recovery_wrapped_mk IS NULL) = (recovery_iv IS NULL)) AND ((recovery_wrapped_mk IS NULL) = (recovery_set_at IS NULL))));
alter table mana_auth.vault add constraint vault_user_id_check CHECK (((length(user_id) >= 1) AND (length(user_id) <= 256)));
alter table mana_auth.vault add constraint vault_wrap_whole CHECK (((wrapped_key IS NULL) = (kek_id IS NULL)));
alter table mana_auth.vault_audit add constraint vault_audit_pkey PRIMARY KEY (id);
alter table public.sync_changes add constraint sync_changes_op_check CHECK ((op = ANY (ARRAY['insert'::text, 'update'::text, 'delete'::text])));
alter table public.sync_changes add constraint sync_changes_pkey PRIMARY KEY (id);

-- ---- Indexes

CREATE INDEX change_outbox_user_id ON mana_ai.change_outbox USING btree (user_id);
CREATE INDEX change_outbox_xid_id ON mana_ai.change_outbox USING btree (xid, id);
CREATE INDEX decrypt_audit_mission ON mana_ai.decrypt_audit USING btree (user_id, mission_id, seq);
CREATE INDEX grants_expires_at ON mana_auth.grants USING btree (expires_at) WHERE (keys_jwe IS NOT NULL);
CREATE INDEX grants_user_id ON mana_auth.grants USING btree (user_id, created_at DESC);
CREATE INDEX passkeys_user_id ON mana_auth.passkeys USING btree (user_id, created_at);
CREATE INDEX sessions_user_id ON mana_auth.sessions USING btree (user_id, last_used_at DESC);
CREATE INDEX sign_in_links_user_id ON mana_auth.sign_in_links USING btree (user_id);
CREATE INDEX vault_audit_user_id ON mana_auth.vault_audit USING btree (user_id, id);
CREATE INDEX vault_kek_id ON mana_auth.vault USING btree (kek_id, user_id);
CREATE INDEX idx_sync_changes_since ON public.sync_changes USING btree (user_id, app_id, table_name, created_at);
CREATE INDEX idx_sync_changes_table_record ON public.sync_changes USING btree (table_name, record_id, created_at);
CREATE INDEX idx_sync_changes_user_app ON public.sync_changes USING btree (user_id, app_id, created_at);

-- ---- Views

create view mana_auth.grant_uses with (security_barrier=true) as
 SELECT jti,
    user_id,
    mission,
    keys_jwe,
    expires_at,
    revoked_at
   FROM mana_auth.grants
  WHERE (user_id = current_setting('app.current_user_id'::text, true));
create view mana_auth.vault_owners with (security_barrier=true) as
 SELECT user_id
   FROM mana_auth.vault
  WHERE (user_id = current_setting('app.current_user_id'::text, true));

-- ---- Functions

CREATE OR REPLACE FUNCTION mana_ai.compact_decrypt_audit(of_user text, older_than timestamp with time zone)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  last_seq bigint;
  split_at bigint;
  anchor   text;
  replaced bigint;
begin
  if older_than > now() - interval '1 day' then
    raise exception 'the audit of the last day stays: a run may still be writing to it' using errcode = '22023';
  end if;
  perform set_config('app.current_user_id', of_user, true);
  perform pg_advisory_xact_lock(hashtextextended('mana_ai.decrypt_audit:' || of_user, 0));
  select coalesce(
      (select min(a.seq) - 1 from mana_ai.decrypt_audit a where a.user_id = of_user and a.ts::timestamptz >= older_than),
      (select max(a.seq) from mana_ai.decrypt_audit a where a.user_id = of_user))
    into last_seq;
  -- An outcome never loses its attempt.
  loop
    select min(a.attempt_seq) into split_at
    from mana_ai.decrypt_audit a where a.user_id = of_user and a.seq > last_seq and a.attempt_seq <= last_seq;
    exit when split_at is null;
    last_seq := split_at - 1;
  end loop;

  select a.hash into anchor from mana_ai.decrypt_audit a
  where a.user_id = of_user and a.seq = last_seq and a.kind <> 'checkpoint';
  if anchor is null then
    return 0;
  end if;
  delete from mana_ai.decrypt_audit a where a.user_id = of_user and a.seq <= last_seq;
  get diagnostics replaced = row_count;
  insert into mana_ai.decrypt_audit (user_id, seq, kind, status, ts, prev_hash, hash)
  values (of_user, last_seq, 'checkpoint', 'ok', to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), '', anchor);
  return replaced;
end
$function$
;
CREATE OR REPLACE FUNCTION mana_ai.mission_owner(record text, space text)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  owner_id text;
  before text := coalesce(current_setting('app.current_user_space_ids', true), '');
begin
  perform set_config('app.current_user_space_ids', space, true);
  select user_id into owner_id
  from public.sync_changes
  where table_name = 'aiMissions' and record_id = record and app_id = 'ai' and op = 'insert'
  order by created_at, id
  limit 1;
  perform set_config('app.current_user_space_ids', before, true);
  return case when length(owner_id) <= 256 then owner_id end;
end
$function$
;
CREATE OR REPLACE FUNCTION mana_ai.note_changes()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET lock_timeout TO '50ms'
AS $function$
begin
  if not exists (
    select from inserted where app_id = 'ai' and client_id <> 'mana-ai-runner' and length(user_id) <= 256
  ) then
    return null;
  end if;

  -- The outbox has a block of its own: whatever happens to mana_ai.users, the change is noted.
  begin
    insert into mana_ai.change_outbox (user_id, since)
    select user_id, min(created_at)
    from (
      select user_id, created_at
      from inserted
      where app_id = 'ai' and client_id <> 'mana-ai-runner' and length(user_id) <= 256
      union all
      select mana_ai.mission_owner(record_id, space_id), created_at
      from inserted
      where app_id = 'ai' and table_name = 'aiMissions' and client_id <> 'mana-ai-runner'
        and space_id is not null and space_id not like '\_personal:%'
    ) as noted (user_id, created_at)
    where user_id is not null
    group by user_id
    order by user_id;
    -- A full notification queue would fail the commit, where nothing can be swallowed any more. The feed polls too.
    if pg_notification_queue_usage() < 0.5 then
      perform pg_notify('mana_ai_changes', '');
    end if;
  exception
    when others then
      begin
        perform nextval('mana_ai.missed_changes');
      exception
        when others then
          null;
      end;
  end;

  begin
    -- Known users are left out, and so are those that another open transaction is adding right now (it holds the advisory lock):
    -- waiting for its commit would hold up mana-sync. Should that one roll back, the user's next change adds the user.
    insert into mana_ai.users (user_id)
    select distinct i.user_id
    from inserted i
    where i.app_id = 'ai' and i.client_id <> 'mana-ai-runner' and length(i.user_id) <= 256
      and not exists (select from mana_ai.users u where u.user_id = i.user_id)
      and pg_try_advisory_xact_lock(hashtextextended('mana_ai.users:' || i.user_id, 0))
    order by i.user_id
    on conflict do nothing;
  exception
    when others then
      null;
  end;
  return null;
end
$function$
;
CREATE OR REPLACE FUNCTION mana_auth.end_grants(ended jsonb)
 RETURNS bigint
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  with done as (
    update mana_auth.grants g
    set keys_jwe = null, revoked_at = coalesce(g.revoked_at, now())
    from jsonb_to_recordset(ended) as e (mission text, "grant" text, until timestamptz)
    where g.user_id = current_setting('app.current_user_id', true) and g.mission = e.mission
      and (g.jti = e."grant" or (e."grant" is null and g.created_at <= e.until))
      and (g.revoked_at is null or g.keys_jwe is not null)
    returning 1
  )
  select count(*) from done
$function$
;
CREATE OR REPLACE FUNCTION mana_auth.erase_expired_keys()
 RETURNS bigint
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  with erased as (
    update mana_auth.grants set keys_jwe = null where keys_jwe is not null and expires_at <= now() returning 1
  )
  select count(*) from erased
$function$
;
CREATE OR REPLACE FUNCTION mana_auth.remove_ended_sign_ins()
 RETURNS bigint
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  with links as (delete from mana_auth.sign_in_links where expires_at <= now() returning 1),
    challenges as (delete from mana_auth.answered_challenges where expires_at <= now() returning 1),
    sessions as (
      delete from mana_auth.sessions where last_used_at <= now() - interval '30 days' returning 1
    )
  select (select count(*) from links) + (select count(*) from challenges) + (select count(*) from sessions)
$function$
;
CREATE OR REPLACE FUNCTION mana_auth.sign_in_owner(kind text, wanted text)
 RETURNS text
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select case kind
    when 'link' then (select user_id from mana_auth.sign_in_links where secret_hash = wanted)
    when 'session' then (select user_id from mana_auth.sessions where session_id = wanted)
    when 'passkey' then (select user_id from mana_auth.passkeys where credential_id = wanted)
  end
$function$
;
CREATE OR REPLACE FUNCTION mana_auth.users_to_rewrap(current_kek_id text, after text, most integer)
 RETURNS SETOF text
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select user_id from mana_auth.vault where kek_id <> current_kek_id and user_id > after order by user_id limit most
$function$
;

-- ---- Triggers

CREATE TRIGGER mana_ai_note_changes AFTER INSERT ON public.sync_changes REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION mana_ai.note_changes();

-- ---- Row-level security

alter table mana_ai.decrypt_audit enable row level security and force it;
create policy decrypt_audit_own_rows on mana_ai.decrypt_audit as permissive for all to public
  using ((user_id = current_setting('app.current_user_id'::text, true)))
  with check ((user_id = current_setting('app.current_user_id'::text, true)));
create policy decrypt_audit_owner_reads on mana_ai.decrypt_audit as permissive for select to postgres
  using (true);
alter table mana_auth.answered_challenges enable row level security and force it;
create policy answered_challenges_owner on mana_auth.answered_challenges as permissive for all to postgres
  using (true);
create policy answered_challenges_user_isolation on mana_auth.answered_challenges as permissive for all to public
  using ((user_id = current_setting('app.current_user_id'::text, true)))
  with check ((user_id = current_setting('app.current_user_id'::text, true)));
alter table mana_auth.grants enable row level security and force it;
create policy grants_sweep on mana_auth.grants as permissive for all to postgres
  using ((expires_at <= now()));
create policy grants_user_isolation on mana_auth.grants as permissive for all to public
  using ((user_id = current_setting('app.current_user_id'::text, true)))
  with check ((user_id = current_setting('app.current_user_id'::text, true)));
alter table mana_auth.passkeys enable row level security and force it;
create policy passkeys_owner on mana_auth.passkeys as permissive for all to postgres
  using (true);
create policy passkeys_user_isolation on mana_auth.passkeys as permissive for all to public
  using ((user_id = current_setting('app.current_user_id'::text, true)))
  with check ((user_id = current_setting('app.current_user_id'::text, true)));
alter table mana_auth.sessions enable row level security and force it;
create policy sessions_owner on mana_auth.sessions as permissive for all to postgres
  using (true);
create policy sessions_user_isolation on mana_auth.sessions as permissive for all to public
  using ((user_id = current_setting('app.current_user_id'::text, true)))
  with check ((user_id = current_setting('app.current_user_id'::text, true)));
alter table mana_auth.sign_in_links enable row level security and force it;
create policy sign_in_links_owner on mana_auth.sign_in_links as permissive for all to postgres
  using (true);
create policy sign_in_links_user_isolation on mana_auth.sign_in_links as permissive for all to public
  using ((user_id = current_setting('app.current_user_id'::text, true)))
  with check ((user_id = current_setting('app.current_user_id'::text, true)));
alter table mana_auth.vault enable row level security and force it;
create policy vault_rewrap on mana_auth.vault as permissive for select to postgres
  using (true);
create policy vault_user_isolation on mana_auth.vault as permissive for all to public
  using ((user_id = current_setting('app.current_user_id'::text, true)))
  with check ((user_id = current_setting('app.current_user_id'::text, true)));
alter table mana_auth.vault_audit enable row level security and force it;
create policy vault_audit_retention on mana_auth.vault_audit as permissive for all to postgres
  using ((at < (now() - '1 day'::interval)));
create policy vault_audit_user_isolation on mana_auth.vault_audit as permissive for all to public
  using ((user_id = current_setting('app.current_user_id'::text, true)))
  with check ((user_id = current_setting('app.current_user_id'::text, true)));
alter table public.sync_changes enable row level security and force it;
create policy sync_changes_space_member_read on public.sync_changes as permissive for select to public
  using (((space_id IS NOT NULL) AND (space_id = ANY (string_to_array(COALESCE(current_setting('app.current_user_space_ids'::text, true), ''::text), ','::text)))));
create policy sync_changes_user_isolation on public.sync_changes as permissive for all to public
  using ((user_id = current_setting('app.current_user_id'::text, true)))
  with check ((user_id = current_setting('app.current_user_id'::text, true)));

-- ---- Rights

grant execute on function mana_auth.end_grants(jsonb) to mana_ai_runner;
grant execute on function mana_auth.end_grants(jsonb) to mana_auth_service;
grant execute on function mana_auth.erase_expired_keys() to mana_auth_service;
grant execute on function mana_auth.remove_ended_sign_ins() to mana_auth_service;
grant execute on function mana_auth.sign_in_owner(text,text) to mana_auth_service;
grant execute on function mana_auth.users_to_rewrap(text,text,integer) to mana_auth_service;
grant delete, select on mana_ai.change_outbox to mana_ai_runner;
grant insert, select on mana_ai.decrypt_audit to mana_ai_runner;
grant select on mana_ai.migrations to mana_ai_runner;
grant select on mana_ai.missed_changes to mana_ai_runner;
grant delete, insert, select on mana_ai.users to mana_ai_runner;
grant insert, select on mana_auth.answered_challenges to mana_auth_service;
grant select on mana_auth.grant_uses to mana_ai_runner;
grant insert, select on mana_auth.grants to mana_auth_service;
grant update on mana_auth.grants (keys_jwe) to mana_auth_service;
grant update on mana_auth.grants (revoked_at) to mana_auth_service;
grant delete, insert, select, update on mana_auth.passkeys to mana_auth_service;
grant delete, insert, select, update on mana_auth.sessions to mana_auth_service;
grant insert, select, update on mana_auth.sign_in_links to mana_auth_service;
grant insert, select, update on mana_auth.vault to mana_auth_service;
grant insert, select on mana_auth.vault_audit to mana_auth_service;
grant select on mana_auth.vault_owners to mana_ai_runner;
grant insert, select on public.sync_changes to mana_ai_runner;
grant usage on schema mana_ai to mana_ai_runner;
grant usage on schema mana_auth to mana_ai_runner;
grant usage on schema mana_auth to mana_auth_service;
