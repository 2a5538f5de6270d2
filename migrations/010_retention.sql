-- Retention of the vault's audit concerns all users. Where the owner is no superuser the forced policies hold for it too, and it needs this
-- one; the last day stays out of its reach.
drop policy if exists vault_audit_retention on mana_auth.vault_audit;
create policy vault_audit_retention on mana_auth.vault_audit to current_user using (at < now() - interval '1 day');
