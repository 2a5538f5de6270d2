-- Tells the change feed which users have new 'ai' rows. mana-sync's insert must never fail because of this:
-- every error is swallowed, and a lock of ours makes it wait two seconds at most.
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
      null;
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
revoke all on function mana_ai.note_changes() from public;

-- Waits for inserts under way. With its commit every row is either visible to the fill that follows, or noted.
create or replace trigger mana_ai_note_changes
after insert on public.sync_changes
referencing new table as inserted
for each statement execute function mana_ai.note_changes();
