import type { Server } from 'node:http'
import type { FastifyPluginAsync } from 'fastify'
import type { Logger } from 'pino'
import { CoweaveError } from '../../model/errors.ts'
import type { RecheckScope } from '../access/decisions.ts'
import type { TokenClaims } from '../access/tokens.ts'
import { type Config, isDemo } from '../config.ts'
import { createServer } from '../coweave.ts'
import { createLogger } from '../logger.ts'
import { attach, checkPrefix } from './attachment.ts'
import type { Explanation, Question } from './explain.ts'
import type { Hooks } from './hooks.ts'
import { Requests } from './requests.ts'
import { readSettings, type Settings } from './settings.ts'

export interface CoweaveOptions extends Hooks {
  readonly settings?: Settings
  /** Where it logs; by default JSON lines on standard output. */
  readonly logger?: Logger
  /** Serves below `prefix` of this server, which others listen with, instead of listening itself. */
  readonly server?: Server
  /** With `server`: a path, `/collaboration` by default. */
  readonly prefix?: string
}

/** A collaboration server inside of this process (docs/embedding.md). */
export interface Coweave {
  /**
   * Starts serving: listens on PORT and resolves with the port, or takes the requests of the server it was given. As a
   * plugin it starts with its Fastify.
   */
  start(): Promise<number | undefined>
  /**
   * Accepts no more clients, and sends away those there are one after the other over DRAIN_TIME with 1001, each once what
   * was taken of it is committed and answered. Resolves once all have left; stop() comes next.
   */
  drain(): Promise<void>
  /**
   * Stops accepting, commits what was taken, closes clients with 1001 and the log. May be called more than once; as a
   * plugin it stops with its Fastify. The server it was given goes on, without it.
   */
  stop(): Promise<void>
  /** For Fastify: `app.register(coweave.plugin, { prefix: '/collaboration' })`. */
  readonly plugin: FastifyPluginAsync
  /**
   * Users may do something else than before: `authorize` is asked again for the documents that they have open, on all
   * instances, and what it said before counts no more. Resolves once that is so on this one; the others follow at once
   * over Redis, and without it within AUTHORIZE_TIME.
   */
  recheck(scope?: RecheckScope): Promise<void>
  /**
   * Whether a change of a free-form document would be taken as the document is now, or why not, and what the change does.
   * @throws {StorageError} @throws {CoweaveError} `document/bad-name`, `document/is-room`
   */
  explain(question: Question): Promise<Explanation>
  /** A token for `user` that ends after so many seconds. @throws {CoweaveError} `access/no-secret` without JWT_SECRET */
  sign(claims: TokenClaims, seconds: number): string
}

/**
 * Makes a collaboration server; nothing listens before start().
 * @throws {StorageError} when the log can't be opened  @throws {CoweaveError} `config/invalid`
 */
export async function createCoweave(options: CoweaveOptions = {}): Promise<Coweave> {
  const config = readSettings(options.settings ?? {})
  const { server: host, prefix = '/collaboration', logger = createLogger(config) } = options
  if (host !== undefined) checkEmbedded(config, prefix)
  const server = await createServer(config, logger, { hooks: options, isEmbedded: true })
  const requests = new Requests(server.app)
  const upgrade = server.upgrade
  let detach = () => {}

  async function stop(): Promise<void> {
    await server.stop().finally(() => detach())
  }

  return {
    async start() {
      if (host === undefined) return await server.start()
      await server.open()
      detach = attach(host, prefix, { request: requests.handle, upgrade })
      return undefined
    },
    recheck: (scope = {}) => server.recheck(scope),
    explain: (question) => server.explain(question),
    drain: () => server.drain(),
    stop,
    plugin: async (scope) => {
      checkEmbedded(config, scope.prefix)
      detach = attach(scope.server, scope.prefix, { upgrade })
      // Before the body is read, which is ours to read.
      scope.addHook('onRequest', async (request, reply) => {
        reply.hijack()
        request.raw.url = request.raw.url?.slice(scope.prefix.length).replace(/^(?!\/)/, '/')
        requests.handle(request.raw, reply.raw)
      })
      scope.all('/*', async () => {})
      scope.addHook('onReady', () => server.open())
      scope.addHook('preClose', stop)
    },
    sign: (claims, seconds) => server.tokens.sign(claims, seconds),
  }
}

/** Demo mode hands out tokens to anybody, and only the server itself can see to it that it is reached from here only. */
function checkEmbedded(config: Config, prefix: string): void {
  checkPrefix(prefix)
  if (!isDemo(config)) return
  const message = 'on another server it needs JWT_SECRET, JWT_PUBLIC_KEY or JWKS_URL'
  throw new CoweaveError('config/invalid', `wrong settings:\n  JWT_SECRET: ${message}`)
}
