# Both Workers in one workerd. `npm run serve` starts it; ports and the data folder come from the command line:
#   workerd serve workerd.capnp config --socket-addr mana-ai=… --socket-addr mana-auth=… --directory-path mana-ai-objects=…
# Bindings mirror wrangler.toml and wrangler.mana-auth.toml (a test compares them); variables are null where unset.
using Workerd = import "/workerd/workerd.capnp";
# Certificates that count besides those that browsers trust, written at each start (scripts/process/trust.ts).
using Trust = import "/mana/trust.capnp";

# Reached through an egress Worker alone. "private" and "local" too: the LLM usually stands on this machine or beside it.
const internet :Workerd.Network = (
  allow = ["public", "private", "local"],
  tlsOptions = (trustBrowserCas = true, trustedCertificates = Trust.authorities),
);

# PostgreSQL's certificate may be pinned, which must not make it count for anything else.
const postgres :Workerd.Network = (
  allow = ["public", "private", "local"],
  tlsOptions = (trustBrowserCas = true, trustedCertificates = Trust.postgres),
);

const config :Workerd.Config = (
  # V8's garbage, not live data, is what grows under load: the runner asks for collection between missions, and what is new has little
  # room (2 MB for each half instead of 16), so that it is collected early, at the same processor time.
  v8Flags = ["--expose-gc", "--max-semi-space-size=2", "--semi-space-growth-factor=1"],
  services = [
    (name = "mana-ai", worker = .manaAi),
    (name = "mana-auth", worker = .manaAuth),
    (name = "mana-console", worker = .manaConsole),
    # The way out of the console: it calls its bindings alone.
    (name = "nowhere", network = (allow = [])),
    (name = "mana-console-page", disk = ()),
    (name = "mana-ai-egress", worker = .manaAiEgress),
    (name = "mana-auth-egress", worker = .manaAuthEgress),
    (name = "internet", network = .internet),
    (name = "postgres", network = .postgres),
    (name = "mana-ai-objects", disk = (writable = true)),
    (name = "mana-auth-objects", disk = (writable = true)),
  ],
  sockets = [
    (name = "mana-ai", http = (), service = "mana-ai"),
    (name = "mana-auth", http = (), service = "mana-auth"),
    (name = "mana-console", http = (), service = "mana-console"),
  ],
);

# One Worker to a process, as compose runs them: neither is given a key of the other (`serve mana-ai`, `serve mana-auth`).
const configManaAi :Workerd.Config = (
  v8Flags = ["--expose-gc", "--max-semi-space-size=2", "--semi-space-growth-factor=1"],
  services = [
    (name = "mana-ai", worker = .manaAi),
    (name = "mana-ai-egress", worker = .manaAiEgress),
    (name = "internet", network = .internet),
    (name = "postgres", network = .postgres),
    (name = "mana-ai-objects", disk = (writable = true)),
  ],
  sockets = [(name = "mana-ai", http = (), service = "mana-ai")],
);

const configManaAuth :Workerd.Config = (
  v8Flags = ["--expose-gc", "--max-semi-space-size=2", "--semi-space-growth-factor=1"],
  services = [
    (name = "mana-auth", worker = .manaAuth),
    (name = "mana-auth-egress", worker = .manaAuthEgress),
    (name = "internet", network = .internet),
    (name = "postgres", network = .postgres),
    (name = "mana-auth-objects", disk = (writable = true)),
  ],
  sockets = [(name = "mana-auth", http = (), service = "mana-auth")],
);

const manaAi :Workerd.Worker = (
  modules = [(name = "index.js", esModule = embed "dist/mana-ai/index.js")],
  compatibilityDate = "2026-11-01",
  durableObjectNamespaces = [
    (className = "UserMissions", uniqueKey = "mana-ai-UserMissions", enableSql = true),
    (className = "Dispatcher", uniqueKey = "mana-ai-Dispatcher", enableSql = true),
    (className = "ChangeFeed", uniqueKey = "mana-ai-ChangeFeed", enableSql = true),
    (className = "EventHub", uniqueKey = "mana-ai-EventHub", enableSql = true),
    (className = "PostgresPool", uniqueKey = "mana-ai-PostgresPool", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "mana-ai-objects"),
  globalOutbound = "mana-ai-egress",
  bindings = [
    (name = "USER_MISSIONS", durableObjectNamespace = "UserMissions"),
    (name = "DISPATCHER", durableObjectNamespace = "Dispatcher"),
    (name = "CHANGE_FEED", durableObjectNamespace = "ChangeFeed"),
    (name = "EVENT_HUB", durableObjectNamespace = "EventHub"),
    (name = "POSTGRES_POOL", durableObjectNamespace = "PostgresPool"),
    # The files of its own objects: one that is damaged cannot be opened to mend itself.
    (name = "OBJECT_FILES", service = "mana-ai-objects"),
    (name = "POSTGRES_APPLICATION", text = "mana-ai"),
    # npm run variables: mana-ai
    (name = "DATABASE_URL", fromEnvironment = "DATABASE_URL"),
    (name = "MANA_LISTEN_URL", fromEnvironment = "MANA_LISTEN_URL"),
    (name = "MANA_POSTGRES_TLS", fromEnvironment = "MANA_POSTGRES_TLS"),
    (name = "MANA_LLM_URL", fromEnvironment = "MANA_LLM_URL"),
    (name = "MANA_LLM_MODEL", fromEnvironment = "MANA_LLM_MODEL"),
    (name = "MANA_LLM_API_KEY", fromEnvironment = "MANA_LLM_API_KEY"),
    (name = "MANA_LLM_LOCALITY", fromEnvironment = "MANA_LLM_LOCALITY"),
    (name = "MANA_LLM_MAX_CONCURRENCY", fromEnvironment = "MANA_LLM_MAX_CONCURRENCY"),
    (name = "MANA_LLM_TIMEOUT_MS", fromEnvironment = "MANA_LLM_TIMEOUT_MS"),
    (name = "MANA_LLM_MAX_TOKENS", fromEnvironment = "MANA_LLM_MAX_TOKENS"),
    (name = "MANA_LLM_MAX_TOOLS", fromEnvironment = "MANA_LLM_MAX_TOOLS"),
    (name = "MANA_AI_TICK_ENABLED", fromEnvironment = "MANA_AI_TICK_ENABLED"),
    (name = "MANA_AI_TICK_INTERVAL_MS", fromEnvironment = "MANA_AI_TICK_INTERVAL_MS"),
    (name = "MANA_TIME_ZONE", fromEnvironment = "MANA_TIME_ZONE"),
    (name = "MANA_DECIDE", fromEnvironment = "MANA_DECIDE"),
    (name = "MANA_LOCALE", fromEnvironment = "MANA_LOCALE"),
    (name = "MANA_RESEARCH_URL", fromEnvironment = "MANA_RESEARCH_URL"),
    (name = "MANA_AUTH_PORT", fromEnvironment = "MANA_AUTH_PORT"),
    (name = "MANA_SERVICE_KEY", fromEnvironment = "MANA_SERVICE_KEY"),
    (name = "MANA_DRAIN_TOKEN", fromEnvironment = "MANA_DRAIN_TOKEN"),
    (name = "MANA_WORKERD_VERSION", fromEnvironment = "MANA_WORKERD_VERSION"),
    (name = "MANA_JWKS_URL", fromEnvironment = "MANA_JWKS_URL"),
    (name = "MANA_JWT_ISSUER", fromEnvironment = "MANA_JWT_ISSUER"),
    (name = "MANA_JWT_AUDIENCE", fromEnvironment = "MANA_JWT_AUDIENCE"),
    (name = "MANA_GRANT_JWKS_URL", fromEnvironment = "MANA_GRANT_JWKS_URL"),
    (name = "MANA_AI_PRIVATE_KEY_PEM", fromEnvironment = "MANA_AI_PRIVATE_KEY_PEM"),
    (name = "MANA_AI_PUBLIC_KEY_PEM", fromEnvironment = "MANA_AI_PUBLIC_KEY_PEM"),
    # end of variables
  ],
);

const manaAuth :Workerd.Worker = (
  modules = [(name = "index.js", esModule = embed "dist/mana-auth/index.js")],
  compatibilityDate = "2026-11-01",
  durableObjectNamespaces = [
    (className = "PostgresPool", uniqueKey = "mana-auth-PostgresPool", enableSql = true),
    (className = "GrantSweep", uniqueKey = "mana-auth-GrantSweep", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "mana-auth-objects"),
  globalOutbound = "mana-auth-egress",
  bindings = [
    (name = "POSTGRES_POOL", durableObjectNamespace = "PostgresPool"),
    (name = "GRANT_SWEEP", durableObjectNamespace = "GrantSweep"),
    (name = "POSTGRES_APPLICATION", text = "mana-auth"),
    # npm run variables: mana-auth
    (name = "DATABASE_URL", fromEnvironment = "DATABASE_URL"),
    (name = "MANA_POSTGRES_TLS", fromEnvironment = "MANA_POSTGRES_TLS"),
    (name = "MANA_CONSOLE_PORT", fromEnvironment = "MANA_CONSOLE_PORT"),
    (name = "MANA_CONSOLE_ORIGIN", fromEnvironment = "MANA_CONSOLE_ORIGIN"),
    (name = "MANA_SERVICE_KEY", fromEnvironment = "MANA_SERVICE_KEY"),
    (name = "MANA_JWKS_URL", fromEnvironment = "MANA_JWKS_URL"),
    (name = "MANA_JWT_ISSUER", fromEnvironment = "MANA_JWT_ISSUER"),
    (name = "MANA_JWT_AUDIENCE", fromEnvironment = "MANA_JWT_AUDIENCE"),
    (name = "MANA_AUTH_ISSUER_KEY_PEM", fromEnvironment = "MANA_AUTH_ISSUER_KEY_PEM"),
    (name = "MANA_AI_PUBLIC_KEY_PEM", fromEnvironment = "MANA_AI_PUBLIC_KEY_PEM"),
    (name = "MANA_GRANT_SIGNING_KEY_PEM", fromEnvironment = "MANA_GRANT_SIGNING_KEY_PEM"),
    (name = "MANA_AUTH_KEK", fromEnvironment = "MANA_AUTH_KEK"),
    # end of variables
  ],
);

# Each Worker has a way out of its own, of the same code.
const egressModules :List(Workerd.Worker.Module) = [
  (name = "egress/worker.js", esModule = embed "dist/egress/src/egress/worker.js"),
  (name = "postgres/start-tls.js", esModule = embed "dist/egress/src/postgres/start-tls.js"),
];

# The runner reaches PostgreSQL, the model, the research endpoint and the two key sets.
const manaAiEgress :Workerd.Worker = (
  modules = .egressModules,
  compatibilityDate = "2026-11-01",
  globalOutbound = "internet",
  bindings = [
    (name = "POSTGRES", service = "postgres"),
    # npm run variables: mana-ai-egress
    (name = "DATABASE_URL", fromEnvironment = "DATABASE_URL"),
    (name = "MANA_LISTEN_URL", fromEnvironment = "MANA_LISTEN_URL"),
    (name = "MANA_POSTGRES_TLS", fromEnvironment = "MANA_POSTGRES_TLS"),
    (name = "MANA_LLM_URL", fromEnvironment = "MANA_LLM_URL"),
    (name = "MANA_RESEARCH_URL", fromEnvironment = "MANA_RESEARCH_URL"),
    (name = "MANA_AUTH_PORT", fromEnvironment = "MANA_AUTH_PORT"),
    (name = "MANA_JWKS_URL", fromEnvironment = "MANA_JWKS_URL"),
    (name = "MANA_GRANT_JWKS_URL", fromEnvironment = "MANA_GRANT_JWKS_URL"),
    # end of variables
  ],
);

# mana-auth reaches PostgreSQL and the key set of user tokens.
const manaAuthEgress :Workerd.Worker = (
  modules = .egressModules,
  compatibilityDate = "2026-11-01",
  globalOutbound = "internet",
  bindings = [
    (name = "POSTGRES", service = "postgres"),
    # npm run variables: mana-auth-egress
    (name = "DATABASE_URL", fromEnvironment = "DATABASE_URL"),
    (name = "MANA_POSTGRES_TLS", fromEnvironment = "MANA_POSTGRES_TLS"),
    (name = "MANA_JWKS_URL", fromEnvironment = "MANA_JWKS_URL"),
    # end of variables
  ],
);

# The page, and the API of the other two in its origin. No key, no variable, no storage.
const manaConsole :Workerd.Worker = (
  modules = [(name = "index.js", esModule = embed "dist/mana-console/worker/index.js")],
  compatibilityDate = "2026-11-01",
  globalOutbound = "nowhere",
  bindings = [
    (name = "MANA_AI", service = "mana-ai"),
    (name = "MANA_AUTH", service = "mana-auth"),
    (name = "PAGE", service = "mana-console-page"),
  ],
);
