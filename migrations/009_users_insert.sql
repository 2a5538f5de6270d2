-- Who reads a user's log for the first time makes sure that sweeps know the user.
grant insert on mana_ai.users to mana_ai_runner;
