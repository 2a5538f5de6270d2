-- The sync log, for installations without mana-sync. Where the table exists it stays exactly as it is, policies included.
do $$
begin
  if to_regclass('public.sync_changes') is not null then
    return;
  end if;

  create table public.sync_changes (
    id             uuid primary key default gen_random_uuid(),
    app_id         text not null,
    table_name     text not null,
    record_id      text not null,
    user_id        text not null,
    op             text not null check (op in ('insert', 'update', 'delete')),
    data           jsonb,
    field_meta     jsonb default '{}',
    client_id      text not null,
    created_at     timestamptz not null default now(),
    schema_version int not null default 1,
    actor          jsonb,
    origin         text,
    space_id       text
  );
  create index idx_sync_changes_user_app on public.sync_changes (user_id, app_id, created_at);
  create index idx_sync_changes_table_record on public.sync_changes (table_name, record_id, created_at);
  create index idx_sync_changes_since on public.sync_changes (user_id, app_id, table_name, created_at);

  alter table public.sync_changes enable row level security;
  alter table public.sync_changes force row level security;
  create policy sync_changes_user_isolation on public.sync_changes
    using (user_id = current_setting('app.current_user_id', true))
    with check (user_id = current_setting('app.current_user_id', true));
  create policy sync_changes_space_member_read on public.sync_changes for select
    using (
      space_id is not null
      and space_id = any (string_to_array(coalesce(current_setting('app.current_user_space_ids', true), ''), ','))
    );
end
$$;
