-- Whether the person whose transaction it is has a vault: what the app encrypts is then never taken as plaintext. Nothing of the vault
-- itself is seen. The condition holds by itself: a view reads with its owner's rights.
create or replace view mana_auth.vault_owners with (security_barrier) as
  select user_id from mana_auth.vault
  where user_id = current_setting('app.current_user_id', true);
revoke all on mana_auth.vault_owners from public, mana_auth_service, mana_ai_runner;
grant select on mana_auth.vault_owners to mana_ai_runner;
