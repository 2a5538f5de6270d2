-- The two roles our transactions take on: neither superuser nor BYPASSRLS, so row-level security holds for them.
-- Roles belong to the whole server: another database of it may have made them already, or be making them now.
do $$
declare
  role_name text;
  -- From PostgreSQL 16 on, membership alone does not allow SET ROLE.
  needed text := case when current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end;
begin
  foreach role_name in array array['mana_ai_runner', 'mana_auth_service'] loop
    if not exists (select from pg_catalog.pg_roles where rolname = role_name) then
      begin
        execute format('create role %I nologin nosuperuser nobypassrls nocreatedb nocreaterole', role_name);
      exception
        when duplicate_object or unique_violation then
          null;
      end;
    end if;
    -- A superuser may take on any role; the grant keeps that true when it is a superuser no longer.
    if not pg_has_role(current_user, role_name, needed)
      or (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
      execute format('grant %I to current_user', role_name);
    end if;
  end loop;
exception
  when insufficient_privilege then
    raise exception 'role "%" may not make or grant mana_ai_runner and mana_auth_service: run migrate once as a superuser, or have one grant both roles to "%"', current_user, current_user
      using errcode = 'MA002';
end
$$;
