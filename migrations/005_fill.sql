-- Takes in once what the log held before the trigger.
do $$
begin
  -- Forced row-level security hides the log even from its owner: the fill would quietly take in nothing.
  if row_security_active('public.sync_changes') and pg_relation_size('public.sync_changes') > 0 then
    raise exception 'row-level security hides the existing rows of sync_changes from role "%": run migrate as a superuser or as a role with BYPASSRLS', current_user
      using errcode = 'MA001';
  end if;

  insert into mana_ai.users (user_id)
  select distinct user_id
  from public.sync_changes
  where app_id = 'ai' and client_id <> 'mana-ai-runner' and length(user_id) <= 256
  on conflict do nothing;

  insert into mana_ai.change_outbox (user_id, since)
  select s.user_id, min(s.created_at)
  from public.sync_changes s
  where s.app_id = 'ai' and s.client_id <> 'mana-ai-runner' and length(s.user_id) <= 256
    and not exists (select from mana_ai.change_outbox o where o.user_id = s.user_id and o.since <= s.created_at)
  group by s.user_id;
end
$$;
