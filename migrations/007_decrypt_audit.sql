-- Which records the runner tried to open, and what came of it: one hash chain per user (src/audit). The runner appends and reads;
-- nobody changes a row. What is hashed stands here as the text that was hashed, `ts` included.
create table if not exists mana_ai.decrypt_audit (
  user_id      text not null check (length(user_id) between 1 and 256),
  seq          bigint not null check (seq between 1 and 9007199254740991),
  kind         text not null check (kind in ('attempt', 'outcome', 'checkpoint')),
  mission_id   text,
  iteration_id text,
  table_name   text,
  record_id    text,
  status       text not null,
  reason       text,
  ts           text not null check (ts ~ '^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$'),
  -- the attempt that an outcome answers; an attempt has one outcome at most
  attempt_seq  bigint check (attempt_seq < seq),
  prev_hash    text not null,
  hash         text not null,
  primary key (user_id, seq),
  unique (user_id, attempt_seq),
  foreign key (user_id, attempt_seq) references mana_ai.decrypt_audit (user_id, seq),
  check (case kind
    when 'attempt' then status = 'pending' and attempt_seq is null
    when 'outcome' then status in ('ok', 'failed', 'scope-violation') and attempt_seq is not null
    else status = 'ok' and attempt_seq is null end),
  check (kind = 'checkpoint' or (mission_id is not null and table_name is not null and record_id is not null))
);
create index if not exists decrypt_audit_mission on mana_ai.decrypt_audit (user_id, mission_id, seq);

alter table mana_ai.decrypt_audit enable row level security;
alter table mana_ai.decrypt_audit force row level security;
drop policy if exists decrypt_audit_own_rows on mana_ai.decrypt_audit;
create policy decrypt_audit_own_rows on mana_ai.decrypt_audit
  using (user_id = current_setting('app.current_user_id', true))
  with check (user_id = current_setting('app.current_user_id', true));
-- Retention has to find everybody's old rows; it is the owner's work, see below.
drop policy if exists decrypt_audit_owner_reads on mana_ai.decrypt_audit;
create policy decrypt_audit_owner_reads on mana_ai.decrypt_audit for select to current_user using (true);

revoke all on mana_ai.decrypt_audit from mana_ai_runner;
grant select, insert on mana_ai.decrypt_audit to mana_ai_runner;

-- Retention: the rows from the start to the newest one before `older_than` become one checkpoint row, which keeps seq and hash
-- of the last row that went, so that the chain goes on from it. Answers how many rows it took away. For the owner alone: a runner that could
-- shorten its own audit would be no witness.
create or replace function mana_ai.compact_decrypt_audit(of_user text, older_than timestamptz) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
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
$$;
revoke all on function mana_ai.compact_decrypt_audit(text, timestamptz) from public;
