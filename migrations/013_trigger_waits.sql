-- Whose mission a record is: the author of its first insert, asked for by a row of somebody else in a shared space. null where that is
-- the person of the statement, or cannot be told. The log's own policies hide the rows of others from a plain owner, so the function
-- looks at one space, which its caller's row names.
create or replace function mana_ai.mission_owner(record text, space text) returns text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
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
$$;
revoke all on function mana_ai.mission_owner(text, text) from public;

-- As in 008, but for two things. A statement without a foreign row of app 'ai' ends at once: it asks no table of ours, so no lock of
-- ours can hold it up. And whatever has to be waited for is waited for 50 ms, not two seconds: what is not noted by then is counted as
-- missed, and a sweep finds it.
-- A row of another member of a shared space is noted for the person too whose mission it is: the author of the record's first row.
create or replace function mana_ai.note_changes() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '50ms'
as $$
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
$$;
