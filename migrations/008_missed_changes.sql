-- Counts the changes that the trigger could not note (a lock on the outbox held for more than two seconds). A sequence needs no lock
-- that could be in the way, and keeps its count also where the transaction rolls back. The feed reads it and sweeps all users.
create sequence if not exists mana_ai.missed_changes;
grant select on sequence mana_ai.missed_changes to mana_ai_runner;

-- As in 004, but for the count in the first handler.
create or replace function mana_ai.note_changes() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
begin
  -- The outbox has a block of its own: whatever happens to mana_ai.users, the change is noted.
  begin
    insert into mana_ai.change_outbox (user_id, since)
    select user_id, min(created_at)
    from inserted
    where app_id = 'ai' and client_id <> 'mana-ai-runner' and length(user_id) <= 256
    group by user_id
    order by user_id;
    if not found then
      return null;
    end if;
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
