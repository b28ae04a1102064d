FROM node:24-bookworm-slim AS build
WORKDIR /app
# With .npmrc: install scripts would need a compiler.
COPY package.json package-lock.json .npmrc ./
# Not npm ci, which refuses a lockfile without the optional packages of other platforms.
RUN npm install
COPY . .
# The image brings Node: the pinned one, an optional dependency, is for machines with an older one.
RUN npm run build && npm prune --omit=dev --omit=optional

FROM node:24-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=1234 DATABASE_URL=sqlite:/data/coweave.db
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 1234
HEALTHCHECK --interval=5s --timeout=3s CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/ready`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/server/main.js"]
