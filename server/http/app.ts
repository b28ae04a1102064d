import { fileURLToPath } from 'node:url'
import cors from '@fastify/cors'
import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { Access } from '../access/access.ts'
import { allowsOrigin } from '../access/origins.ts'
import type { Tokens } from '../access/tokens.ts'
import type { Audit } from '../admin/audit.ts'
import { type Config, isDemo } from '../config.ts'
import type { Gateway } from '../connection/gateway.ts'
import type { UserRates } from '../connection/user-rates.ts'
import type { Conversions } from '../conversions/conversions.ts'
import type { Deletions } from '../documents/deletions.ts'
import { DocumentWriter } from '../documents/document-writer.ts'
import type { Documents } from '../documents/documents.ts'
import type { Durability } from '../documents/durability.ts'
import type { Exchange } from '../documents/exchange.ts'
import type { Resets } from '../documents/resets.ts'
import type { Visits } from '../documents/visits.ts'
import type { EventBus } from '../events/event-bus.ts'
import type { OpenStreams } from '../events/open-streams.ts'
import type { History } from '../history/history.ts'
import type { Notifications } from '../inbox/notifications.ts'
import type { Erasures } from '../people/erasures.ts'
import type { Posting } from '../rooms/posting.ts'
import type { Rooms } from '../rooms/rooms.ts'
import type { DocumentSearch } from '../search/document-search.ts'
import { traceRequests } from '../tracing/requests.ts'
import type { Webhooks } from '../webhooks/webhooks.ts'
import { type AdminApi, serveAdmin } from './admin.ts'
import { serveDemoTokens, serveDocuments } from './api.ts'
import { serveApiDocs } from './api-docs.ts'
import { serveComments } from './comments.ts'
import { serveDeletion } from './deletion.ts'
import { serveDemo } from './demo.ts'
import { serveDocumentContent } from './document-content.ts'
import { serveDocumentSearch } from './document-search.ts'
import { serveDocumentSync } from './document-sync.ts'
import { serveEvents } from './events.ts'
import { serveHealth } from './health.ts'
import { serveHistory } from './history.ts'
import { serveIce } from './ice.ts'
import { serveLiveEvents } from './live-events.ts'
import { type Measured, serveMetrics } from './metrics.ts'
import { serveNotifications } from './notifications.ts'
import { servePeople } from './people.ts'
import { servePresence } from './presence.ts'
import { HttpError, sendProblem } from './problem.ts'
import { servePush } from './push.ts'
import { requestIdOf, tellRequestIds } from './request-id.ts'
import { serveReset } from './reset.ts'
import { serveRooms } from './rooms.ts'
import { serveSync } from './sync.ts'
import { REQUEST_TIMEOUT_MS, slowHandshakes } from './timeouts.ts'
import type { TlsOptions } from './tls.ts'
import type { Uploads } from './uploads.ts'
import { serveVersions } from './versions.ts'
import { serveWebhooks } from './webhooks.ts'

/** How long a browser remembers that a page of another origin may ask: otherwise it asks whether it may each time. */
const PREFLIGHT_S = 600
/** A name of 255 bytes, percent-encoded. */
const MAX_PARAMETER_LENGTH = 3 * 255
/** Requests are looked at with zod. What would compile schemas of Fastify's own is not even loaded. */
const NO_SCHEMAS = { compilersFactory: { buildValidator: refuseSchema, buildSerializer: refuseSchema } }

export interface AppParts extends AdminApi {
  readonly tls: TlsOptions
  /** Whether the demo's pages are served. */
  readonly demo: boolean
  readonly tokens: Tokens
  readonly access: Access
  readonly log: UpdateLog
  readonly durability: Durability
  readonly posting: Posting
  readonly notifications: Notifications
  readonly bus: EventBus
  readonly streams: OpenStreams
  readonly rates: UserRates
  readonly gateway: Gateway
  readonly exchange: Exchange
  readonly deletions: Deletions
  readonly audit: Audit
  readonly erasures: Erasures
  readonly history: History
  readonly conversions: Conversions
  readonly search: DocumentSearch
  readonly resets: Resets
  readonly uploads: Uploads
  readonly visits: Visits
  readonly webhooks: Webhooks
  readonly documents: Documents
  readonly rooms: Rooms
  readonly isStopping: () => boolean
  readonly measure: () => Measured
}

/** Everything that is served by HTTP, besides the sockets' upgrades; nothing listens yet. */
export async function createApp(config: Config, logger: Logger, parts: AppParts): Promise<FastifyInstance> {
  const loggerInstance: FastifyBaseLogger = logger
  const logController = new Fastify.LogController({ disableRequestLogging: true, requestIdLogLabel: 'request' })
  const app = Fastify({
    loggerInstance,
    logController,
    genReqId: requestIdOf,
    forceCloseConnections: true,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: slowHandshakes(config),
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
    schemaController: NO_SCHEMAS,
    ...parts.tls,
  })
  tellRequestIds(app)
  traceRequests(app)
  app.setErrorHandler(sendProblem)
  app.setNotFoundHandler((request, reply) => {
    sendProblem(new HttpError(404, 'http/not-found', `there is nothing at ${request.url}`), request, reply)
  })
  await app.register(cors, {
    delegator: ({ headers }, done) =>
      done(null, {
        origin: allowsOrigin(headers.origin, headers.host, config),
        methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
        exposedHeaders: ['ETag'],
        maxAge: PREFLIGHT_S,
      }),
  })
  await serveApiDocs(app)
  serveHealth(app, async () => ({ storage: await parts.durability.check(), stopping: parts.isStopping() }))
  serveMetrics(app, parts.measure)
  serveDocuments(app, parts.access, parts.log)
  serveDeletion(app, parts)
  servePeople(app, parts)
  serveRooms(app, parts)
  serveNotifications(app, { ...parts, config })
  serveEvents(app, { ...parts, config })
  serveLiveEvents(app, { ...parts, config })
  serveWebhooks(app, { ...parts, config })
  servePush(app, { ...parts, pushes: parts.log.pushes, config })
  serveIce(app, parts.tokens, config)
  serveSync(app, parts.gateway, config)
  serveDocumentSync(app, { ...parts, config })
  const writer = new DocumentWriter(parts)
  serveDocumentContent(app, { ...parts, writer, config })
  serveDocumentSearch(app, parts)
  serveHistory(app, parts)
  serveVersions(app, parts)
  serveReset(app, parts)
  servePresence(app, parts)
  serveComments(app, parts)
  serveAdmin(app, parts)
  if (isDemo(config)) serveDemoTokens(app, parts.tokens)
  if (parts.demo) await serveDemo(app, fileURLToPath(new URL('../../editor-demo/dist', import.meta.url)))
  return app
}

function refuseSchema(): never {
  throw new TypeError('a route says what it takes with describe()')
}
