import { z } from 'zod'
import { RING_MS, VANISHED_AFTER_MS } from '../model/calls.ts'
import { MAX_TEXT_LENGTH, MESSAGES_PER_SEGMENT } from '../model/chat.ts'
import { CoweaveError } from '../model/errors.ts'
import { shownUrl } from '../persistence/database-url.ts'
import { parseRedisUrl } from './cluster/redis-url.ts'
import { PUBLIC_PUSH_HOSTS, pushHostProblem } from './push/push-hosts.ts'
import { isPair, isPublicKey, type Vapid } from './push/vapid.ts'
import { secretProblem } from './webhooks/signature.ts'
import { privateHostProblem, webhookUrlProblem } from './webhooks/targets.ts'

const MiB = 1024 * 1024

const int = (minimum: number, maximum = Number.MAX_SAFE_INTEGER) => z.coerce.number().int().min(minimum).max(maximum)
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
)

/**
 * Every setting: its environment variable, default, unit and meaning. `--help` and the README's table are made
 * from this, so the description is written for whoever runs the server.
 */
export const settings = {
  PORT: int(0, 65_535).default(1234).describe('TCP port of HTTP and sockets; 0 takes a free one'),
  HOST: z.string().min(1).default('127.0.0.1').describe('Address to listen on; `0.0.0.0` for all'),
  DATABASE_URL: z
    .string()
    .regex(/^(sqlite:|postgres(ql)?:\/\/)./, 'must be sqlite:<file> or postgres://<user>:<password>@<host>/<database>')
    .default('sqlite:data/coweave.db')
    .describe(
      'Where the update log is: `sqlite:<file>`, or `postgres://<user>:<password>@<host>/<database>`, with `?sslmode=verify-full` over TLS',
    ),
  REDIS_URL: z
    .string()
    .superRefine((url, context) => {
      try {
        parseRedisUrl(url)
      } catch (error) {
        context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) })
      }
    })
    .optional()
    .describe(
      'Redis, through which several instances tell each other of changes: `redis://<user>:<password>@<host>:<port>`, `redis-cluster://…`, `redis-sentinel://…`, or `rediss…` over TLS (docs/cluster.md)',
    ),
  ENCRYPTION_KEY: z
    .string()
    .optional()
    .describe(
      'Encrypts updates, snapshots and chat messages at rest, and turns off search in documents and messages: `<id>:<32 bytes in base64>`; several with commas, the first encrypts and all decrypt',
    ),
  JWT_SECRET: z.string().min(32).optional().describe('Secret that signs tokens (HS256), at least 32 characters'),
  DEMO_SECRET: z
    .string()
    .min(32)
    .optional()
    .describe(
      "Secret of demo mode's tokens, so that several instances take each other's; by default each makes its own",
    ),
  JWT_PUBLIC_KEY: z.string().optional().describe('Public key that verifies tokens (RS256 or ES256): PEM, or its file'),
  JWKS_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('Where to fetch the public keys of tokens from'),
  JWT_AUDIENCE: z.string().optional().describe('Required `aud` of tokens'),
  JWT_ISSUER: z.string().optional().describe('Required `iss` of tokens'),
  ALLOWED_ORIGINS: list
    .default([])
    .describe('Origins of pages that may connect, with commas; `*` for all. Pages of the same host always may'),
  NODE_ENV: z
    .enum(['development', 'production', 'test'])
    .default('development')
    .describe('`production` refuses to start without a key for tokens'),
  CLIENT_IDS: z
    .enum(['own', 'relay'])
    .default('own')
    .describe("`relay` lets clients send edits made by others' Yjs clients, as y-webrtc peers do"),
  DOCUMENT_SEARCH: z
    .enum(['on', 'off'])
    .default('on')
    .describe('`off` keeps no index of what documents say, so that they can not be searched'),
  AUTHORIZE_TIME: int(100, 3_600_000)
    .default(3_000)
    .describe(
      'How long an answer of a product’s `authorize` counts; that of an open document is asked for again by then, ms (docs/embedding.md)',
    ),
  AUTHORIZE_TIMEOUT: int(100)
    .default(2_000)
    .describe('How long `authorize` may take to answer before clients are told to try again later, ms'),
  SEED_TIMEOUT: int(100)
    .default(10_000)
    .describe('How long a product’s `seed` may take to answer before clients are told to try again later, ms'),
  MIN_SCHEMA: int(0)
    .default(0)
    .describe(
      'Oldest version of the document schema (`?schema=<n>`) that may write; clients that tell none may only read',
    ),
  TLS_CERT: z.string().optional().describe('Certificate file (PEM); with `TLS_KEY` the server speaks TLS'),
  TLS_KEY: z.string().optional().describe('Private key file (PEM) of `TLS_CERT`'),
  MAX_MESSAGE_BYTES: int(1024)
    .default(32 * MiB)
    .describe('Largest message of an authenticated client, bytes'),
  MAX_UPLOAD_BYTES: int(1024)
    .default(256 * MiB)
    .describe('Largest update that comes over HTTP in parts, and all parts of one user that wait, bytes'),
  MAX_UNAUTHENTICATED_BYTES: int(1024)
    .default(MiB)
    .describe('Largest message before authentication, and all that waits for it, bytes'),
  MAX_UNAUTHENTICATED_DOCUMENTS: int(1)
    .default(100)
    .describe('Documents that may wait for authentication on one socket'),
  MAX_UNAUTHENTICATED_CONNECTIONS: int(1)
    .default(2_000)
    .describe('Connections that may wait for authentication; above it, the one that has waited longest is cut off'),
  MAX_CONNECTIONS_PER_ADDRESS: int(0)
    .default(0)
    .describe('Connections of one IP address; 0 for any number, since behind a proxy all have the same'),
  TRUSTED_PROXIES: int(0, 10)
    .default(0)
    .describe('Proxies in front of the server that append to `X-Forwarded-For`, which then tells the address'),
  MAX_CONNECTIONS_PER_USER: int(0).default(1_000).describe('Connections of one user; 0 for any number'),
  MAX_DOCUMENTS_PER_CONNECTION: int(1).default(1_000).describe('Documents open on one connection'),
  MAX_DOCUMENT_BYTES: int(1024)
    .default(256 * MiB)
    .describe('Largest document, by its encoded state, bytes'),
  DELETED_DOCUMENT_DAYS: z.coerce
    .number()
    .min(0)
    .default(30)
    .describe('How long a deleted document can be restored before it is erased, days; 0 for ever'),
  IDLE_DOCUMENT_TIME: int(0, 2 ** 31 - 1)
    .default(30_000)
    .describe('How long a document stays in memory once nobody has it open, ms'),
  IDLE_DOCUMENT_BYTES: int(0)
    .default(64 * MiB)
    .describe('Memory that such documents may take together, about, before those left first are unloaded, bytes'),
  HISTORY_DAYS: z.coerce
    .number()
    .min(0)
    .default(0)
    .describe(
      'How long what documents were is kept before it is forgotten, days; 0 for ever. Named versions are kept (docs/history.md)',
    ),
  HISTORY_PACK_DAYS: z.coerce
    .number()
    .min(0)
    .default(1)
    .describe(
      'How old updates are when many of them are packed into one row of the log, which reads the same, days; 0 for never',
    ),
  HISTORY_BYTES: int(1024)
    .default(128 * MiB)
    .describe(
      'Most that is read of the log for one question about the history of a document, with 200 more for each update, bytes',
    ),
  CONNECTION_MESSAGES_PER_SECOND: int(0)
    .default(0)
    .describe('Messages a second that are read of one connection; 0 for as many as there is time for'),
  CONNECTION_BYTES_PER_SECOND: int(0)
    .default(64 * MiB)
    .describe('Bytes a second that are read of one connection; 0 for any number'),
  USER_MESSAGES_PER_SECOND: int(0)
    .default(0)
    .describe('Messages a second that are read of all connections of one user; 0 for as many as there is time for'),
  USER_BYTES_PER_SECOND: int(0)
    .default(256 * MiB)
    .describe('Bytes a second that are read of all connections of one user; 0 for any number'),
  PRESENCE_CHANGES_PER_SECOND: int(0)
    .default(200)
    .describe('Changes of presence a second of one connection, after a minute of them at once; 0 for any number'),
  PRESENCE_SHOWN: int(1)
    .default(200)
    .describe('Clients of one document whose presence is told; of more it is told how many there are'),
  MAX_EVENT_LOOP_DELAY: int(10)
    .default(1_000)
    .describe('How late the event loop may be before new connections get 503, ms'),
  MAX_MEMORY_BYTES: int(0)
    .default(0)
    .describe('Memory of the process above which new connections get 503; 0 for 85 % of what there is, bytes'),
  MAX_PRESENCE_BYTES: int(256)
    .default(16 * 1024)
    .describe('Largest presence state of one client, bytes'),
  AUTHENTICATION_TIMEOUT: int(100).default(10_000).describe('How long a socket may take to authenticate, ms'),
  PING_INTERVAL: int(100).default(30_000).describe('How often peers are pinged; silent ones are cut off, ms'),
  COMMIT_TIMEOUT: int(100)
    .default(10_000)
    .describe('How long an edit may wait for storage before clients are told, ms'),
  SEND_BUFFER_BYTES: int(64 * 1024)
    .default(16 * MiB)
    .describe('What may wait for a client that reads too slowly before it is cut off, bytes'),
  COMMIT_BUFFER_BYTES: int(MiB)
    .default(64 * MiB)
    .describe('What may wait for storage before sockets are read more slowly, bytes'),
  STUN_URLS: list
    .pipe(z.array(z.string().regex(/^stuns?:[^\s/]+$/, 'must be stun:<host>[:<port>]')))
    .default([])
    .describe('STUN servers for calls, `stun:<host>[:<port>]`, with commas'),
  TURN_URLS: list
    .pipe(z.array(z.string().regex(/^turns?:[^\s/]+$/, 'must be turn:<host>[:<port>][?transport=udp|tcp]')))
    .default([])
    .describe(
      'TURN servers for calls, `turn:<host>[:<port>][?transport=udp|tcp]`, with commas; they need `TURN_SECRET`',
    ),
  TURN_SECRET: z
    .string()
    .optional()
    .describe('Secret that the TURN servers share (`static-auth-secret` of coturn), for credentials that end'),
  TURN_TTL: int(60)
    .default(24 * 60 * 60)
    .describe('How long credentials for TURN servers are good, seconds; a relayed call can not last longer'),
  CALL_RING_TIME: int(1_000).default(RING_MS).describe('How long a call rings before it is missed, ms'),
  CALL_AWAY_TIME: int(1_000)
    .default(VANISHED_AFTER_MS)
    .describe('How long a party of a call may be away before the call goes on, or ends, without it, ms'),
  VAPID_PUBLIC_KEY: z
    .string()
    .refine(isPublicKey, 'must be a public key of P-256 in base64url; `coweave vapid` makes a pair')
    .optional()
    .describe(
      'Public key that browsers subscribe with; with it, notifications are pushed to people who are not connected. `coweave vapid` makes it with its private key (docs/push.md)',
    ),
  VAPID_PRIVATE_KEY: z
    .string()
    .optional()
    .describe('Private key of `VAPID_PUBLIC_KEY`; all instances have the same pair'),
  VAPID_SUBJECT: z
    .string()
    .regex(/^(mailto:[^@\s]+@[^@\s]+|https:\/\/\S+)$/, 'must be mailto:<address> or https://…')
    .optional()
    .describe('Whom push services write to when something is wrong: `mailto:<address>` or `https://…`'),
  PUSH_HOSTS: list
    .pipe(
      z.array(
        z.string().superRefine((host, context) => {
          const message = pushHostProblem(host)
          if (message !== undefined) context.addIssue({ code: 'custom', message })
        }),
      ),
    )
    .default(PUBLIC_PUSH_HOSTS)
    .describe('Push services that the server may call, with commas: users give their endpoints'),
  PUSH_DELAY: int(100)
    .default(3_000)
    .describe('How long a notification waits for a sign of life of a connection of its user before it is pushed, ms'),
  PUSH_TIMEOUT: int(100).default(10_000).describe('How long a push service may take to answer, ms'),
  CHAT_MESSAGE_LENGTH: int(1).default(MAX_TEXT_LENGTH).describe('Longest text of a chat message, characters'),
  CHAT_SEGMENT_MESSAGES: int(1)
    .default(MESSAGES_PER_SEGMENT)
    .describe('Messages in one part of a chat room before the next one is opened'),
  NOTIFY: z
    .enum(['members', 'anyone'])
    .default('members')
    .describe(
      'Whom mentions and missed calls notify: who belongs to the room as far as the server knows (docs/inbox.md), or `anyone`, for products where everybody may read everything; so it is in demo mode',
    ),
  NOTIFICATION_LINK: z
    .string()
    .max(500)
    .regex(/^(https?:\/\/|\/(?![/\\]))/, 'must be an http(s) address, or a path that begins with one /')
    .default('/d/{document}#message={message}')
    .describe(
      'Where notifications of messages and calls lead: `{document}` stands for the document that the chat is beside, or the name of a direct chat, `{message}` for the id of the message',
    ),
  CHANGE_DELAY: int(100, 3_600_000)
    .default(5_000)
    .describe(
      'How long nobody may have edited a document before `document.changed` tells that it was; ten times that while editing goes on, ms',
    ),
  EVENT_DAYS: int(1).default(30).describe('How long it is kept what `GET /api/events` tells (docs/events.md), days'),
  WEBHOOK_URL: z
    .string()
    .optional()
    .describe(
      'Where all events are posted to (docs/webhooks.md); it needs `WEBHOOK_SECRET`. More are registered over REST',
    ),
  WEBHOOK_SECRET: z
    .string()
    .superRefine((secret, context) => {
      const message = secretProblem(secret)
      if (message !== undefined) context.addIssue({ code: 'custom', message })
    })
    .optional()
    .describe('What posts to `WEBHOOK_URL` are signed with: `whsec_` and 24 to 64 bytes in base64'),
  WEBHOOK_PRIVATE_HOSTS: list
    .pipe(
      z.array(
        z.string().superRefine((host, context) => {
          const message = privateHostProblem(host)
          if (message !== undefined) context.addIssue({ code: 'custom', message })
        }),
      ),
    )
    .default([])
    .describe(
      'Hosts, `<host>` or `<host>:<port>` with commas, that webhooks may be at although their addresses are not public, or without TLS',
    ),
  WEBHOOK_TIMEOUT: int(100).default(10_000).describe('How long a webhook may take to answer, ms'),
  WEBHOOK_RETRY_DELAY: int(10)
    .default(5_000)
    .describe(
      'How long a webhook that failed is left alone; twice that after the next time, and so on up to an hour, ms',
    ),
  WEBHOOK_RETRY_TIME: int(0)
    .default(86_400_000)
    .describe('How long an event is tried to be posted before it is dead, ms'),
  DRAIN_TIME: int(0, 3_600_000)
    .default(0)
    .describe('Time over which clients are sent away one after the other before the server stops, ms'),
  SHUTDOWN_TIMEOUT: int(100)
    .default(9_000)
    .describe('How long stopping may take, after `DRAIN_TIME`, before it is forced, ms'),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe(
      'Collector of OpenTelemetry that traces are sent to, over OTLP/HTTP at `/v1/traces` below it (docs/operations.md)',
    ),
  OTEL_TRACES_SAMPLER_ARG: z.coerce
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe('Share of traces that are sent, 0 to 1; where a caller began one, it decides'),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('Least severe log line to print'),
} as const

const schema = z.object(settings).superRefine((config, context) => {
  const problem = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
  const keys = (['JWT_SECRET', 'JWT_PUBLIC_KEY', 'JWKS_URL'] as const).filter((name) => config[name] !== undefined)
  if (keys.length > 1) problem(keys[1] ?? '', `set only one of ${keys.join(', ')}`)
  if (config.NODE_ENV === 'production' && keys.length === 0) {
    problem('JWT_SECRET', 'production needs JWT_SECRET, JWT_PUBLIC_KEY or JWKS_URL')
  }
  if ((config.TLS_CERT === undefined) !== (config.TLS_KEY === undefined)) {
    problem(config.TLS_CERT === undefined ? 'TLS_CERT' : 'TLS_KEY', 'TLS_CERT and TLS_KEY belong together')
  }
  if ((config.WEBHOOK_URL === undefined) !== (config.WEBHOOK_SECRET === undefined)) {
    const missing = config.WEBHOOK_URL === undefined ? 'WEBHOOK_URL' : 'WEBHOOK_SECRET'
    problem(missing, 'WEBHOOK_URL and WEBHOOK_SECRET belong together')
  } else if (config.WEBHOOK_URL !== undefined) {
    const wrong = webhookUrlProblem(config.WEBHOOK_URL, config.WEBHOOK_PRIVATE_HOSTS)
    if (wrong !== undefined) problem('WEBHOOK_URL', wrong)
  }
  if ((config.TURN_SECRET === undefined) !== (config.TURN_URLS.length === 0)) {
    problem(config.TURN_SECRET === undefined ? 'TURN_SECRET' : 'TURN_URLS', 'TURN_URLS and TURN_SECRET belong together')
  }
  const { VAPID_PUBLIC_KEY: publicKey, VAPID_PRIVATE_KEY: privateKey } = config
  const vapid = ['VAPID_PUBLIC_KEY', 'VAPID_PRIVATE_KEY', 'VAPID_SUBJECT'] as const
  const missing = vapid.filter((name) => config[name] === undefined)
  if (missing.length > 0 && missing.length < vapid.length) {
    problem(missing[0] ?? '', `${vapid.join(', ')} belong together`)
  } else if (publicKey !== undefined && privateKey !== undefined && !isPair({ publicKey, privateKey })) {
    problem('VAPID_PRIVATE_KEY', 'must be the private key of VAPID_PUBLIC_KEY; `coweave vapid` makes a pair')
  }
  if (keys.length === 0 && !isLoopback(config.HOST)) {
    problem(
      'HOST',
      'without a key for tokens (demo mode) the server listens on loopback only: 127.0.0.1, ::1, localhost',
    )
  }
})

export type Config = z.infer<typeof schema>

/**
 * The settings in `environment`, with defaults; other variables are ignored.
 * @throws {CoweaveError} `config/invalid`, naming each wrong setting, its value and what is allowed
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  )
  const result = schema.safeParse(given)
  if (result.success) return result.data
  const problems = result.error.issues.map((issue) => {
    const name = String(issue.path[0])
    return `${name}=${shown(name, given[name])}: ${issue.message}`
  })
  throw new CoweaveError('config/invalid', `wrong settings:\n  ${problems.join('\n  ')}`)
}

/** Demo mode: nobody configured who may sign tokens, so the server makes a secret and hands out tokens itself. */
export function isDemo(config: Config): boolean {
  return config.JWT_SECRET === undefined && config.JWT_PUBLIC_KEY === undefined && config.JWKS_URL === undefined
}

/** How the server identifies itself to push services; undefined where it does not push. */
export function vapidOf({ VAPID_PUBLIC_KEY, VAPID_PRIVATE_KEY, VAPID_SUBJECT }: Config): Vapid | undefined {
  if (VAPID_PUBLIC_KEY === undefined || VAPID_PRIVATE_KEY === undefined || VAPID_SUBJECT === undefined) return undefined
  return { publicKey: VAPID_PUBLIC_KEY, privateKey: VAPID_PRIVATE_KEY, subject: VAPID_SUBJECT }
}

export interface SettingDescription {
  readonly name: string
  readonly default: string
  readonly meaning: string
}

/** Each setting with its default and meaning, for `--help` and the README. */
export function describeSettings(): SettingDescription[] {
  return Object.entries(settings).map(([name, setting]) => {
    const result = setting.safeParse(undefined)
    const fallback = result.success ? result.data : undefined
    return { name, default: fallback === undefined ? '' : String(fallback), meaning: setting.description ?? '' }
  })
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host)
}

function shown(name: string, value: string | undefined): string {
  if (value === undefined) return '(not set)'
  if (name === 'DATABASE_URL' || name === 'REDIS_URL') return JSON.stringify(shownUrl(value))
  return ['ENCRYPTION_KEY', 'VAPID_PRIVATE_KEY'].includes(name) || name.includes('SECRET')
    ? '(secret)'
    : JSON.stringify(value)
}

/** The webhook of the settings, if they have one. */
export function webhookOf({ WEBHOOK_URL: url, WEBHOOK_SECRET: secret }: Config) {
  return url === undefined || secret === undefined ? undefined : { url, secret }
}
