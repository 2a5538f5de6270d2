# syntax=docker/dockerfile:1
# Both Workers on workerd, as `npm run serve` starts them. One stage builds, the other holds only what runs.
# The workerd binary wants glibc 2.35 or newer: Debian 12 has 2.36, Alpine has none.
FROM node:24.11.1-bookworm-slim AS build
WORKDIR /app
ENV WRANGLER_SEND_METRICS=false
# The image has Node already; npm puts a pinned one beside it, which npm commands use.
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY wrangler.toml wrangler.mana-auth.toml workerd.capnp tsconfig.json ./
COPY src src
COPY durable-objects durable-objects
COPY migrations migrations
COPY scripts scripts
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM node:24.11.1-bookworm-slim AS mana-edge
WORKDIR /app
ENV NODE_ENV=production MANA_DATA_DIR=/data
# A named volume takes over this folder's owner.
RUN install -d -o node -g node -m 0700 /data
COPY --from=build /app /app
USER node
VOLUME /data
EXPOSE 3066 3001
# Without npm or a shell in between SIGTERM reaches the command that drains and stops workerd.
ENTRYPOINT ["node"]
CMD ["scripts/serve.ts"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=40s --retries=3 \
  CMD ["node", "-e", "Promise.all([process.env.MANA_AI_PORT || 3066, process.env.MANA_AUTH_PORT || 3001].map((port) => fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(4000) }))).then((all) => process.exit(all.every((one) => one.ok) ? 0 : 1), () => process.exit(1))"]
