-- Ends the caller's grants that the log has ended: a mission that was deleted ends all that were minted for it until then, a grant that
-- was taken away or replaced ends alone. The runner, which reads the log, may do exactly this, as mana-auth does it when the person
-- asks there: the keys are erased, and the first end stands. "ended" is a list of { mission, grant, until }; without a grant: all.
create or replace function mana_auth.end_grants(ended jsonb) returns bigint
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
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
$$;
revoke all on function mana_auth.end_grants(jsonb) from public;
grant execute on function mana_auth.end_grants(jsonb) to mana_ai_runner, mana_auth_service;
