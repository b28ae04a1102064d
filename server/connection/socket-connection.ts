import { randomUUID } from 'node:crypto'
import type { Connection, Hocuspocus } from '@hocuspocus/server'
import * as decoding from 'lib0/decoding'
import type { Logger } from 'pino'
import { CloseCode } from '../../model/close-codes.ts'
import { documentNameProblem } from '../../model/document-name.ts'
import { goesWith } from '../../persistence/beside.ts'
import type { Access } from '../access/access.ts'
import { AccessError } from '../access/access-error.ts'
import type { Level, Principal } from '../access/grants.ts'
import { isSchemaOld } from '../access/schema.ts'
import { REVOKED_REASON } from '../access/tokens.ts'
import type { Config } from '../config.ts'
import { DOCUMENT_DELETED } from '../documents/deletions.ts'
import type { Documents } from '../documents/documents.ts'
import type { Durability } from '../documents/durability.ts'
import type { OpenDocument } from '../documents/open-document.ts'
import { DOCUMENT_RESET } from '../documents/retired-clients.ts'
import { CatchUp } from './catch-up.ts'
import { Channel, MayBeBehind } from './channel.ts'
import { CommitWindow } from './commit-window.ts'
import type { ConnectionCounts } from './connection-counts.ts'
import { type Dialect, documentOfKey, type Message } from './dialect.ts'
import { Egress, type EgressGroup } from './egress.ts'
import { type Address, AuthType, awarenessFrame, MessageType, permissionDeniedFrame } from './frames.ts'
import { Heartbeat } from './heartbeat.ts'
import { HocuspocusBridge } from './hocuspocus-bridge.ts'
import { Ingress } from './ingress.ts'
import { Meter } from './meter.ts'
import { PendingDocuments } from './pending-documents.ts'
import type { Stranger } from './strangers.ts'
import { TokenBucket } from './token-bucket.ts'
import { TokenRenewal } from './token-renewal.ts'
import type { Transport } from './transport.ts'
import type { UserRates } from './user-rates.ts'

const MAX_TOKEN_LENGTH = 16 * 1024
const MAX_KEY_LENGTH = 512
/** A client hears something at least this often, or stock providers take the connection for dead after 30 s. */
const SILENCE_MS = 20_000
/** A line that stalls delivers all at once what was shown meanwhile. */
const PRESENCE_BURST_S = 60
/** Direct messages of one connection, KiB a second, and after a pause: what a call of six begins with, several times. */
const DIRECT_KIB = { perSecond: 200, burst: 2_000 } as const
/** How long a connection that gave way has for hearing why. */
const GIVE_WAY_MS = 100
const NO_STATES = Uint8Array.of(0)
const KICKED = 'access/kicked'
const KICKED_REASON = 'an admin has closed the connection'

export interface Parts {
  readonly config: Config
  readonly logger: Logger
  readonly access: Access
  readonly documents: Documents
  readonly durability: Durability
  readonly egresses: EgressGroup
  /** Connections of each user. */
  readonly users: ConnectionCounts
  readonly rates: UserRates
  /** Resolves once a document has what other instances have committed until now. @throws {StorageError} */
  readonly catchUp: (document: OpenDocument) => Promise<void>
  /** Whether an admin has revoked the token since it was verified. */
  readonly isRevoked: (principal: Principal) => boolean
}

/** What is known of a client before its first message. */
export interface ClientOptions {
  readonly dialect: Dialect
  /** The version of its app's document schema. */
  readonly schema: number | undefined
  /** Called when a token was good, which may be more than once. */
  readonly onAuthenticated: () => void
  /** Called once, when its transport is gone. */
  readonly onClosed: () => void
}

/** What Hocuspocus carries for us from a socket to our hooks. */
export interface ConnectionContext {
  readonly socket: SocketConnection
  readonly principal?: Principal
  readonly level?: Level
}

/**
 * One client: reads its messages, hands authentication to Hocuspocus and everything about open documents to their
 * channels, and closes it with a code when something is wrong.
 */
export class SocketConnection implements Stranger {
  readonly id = randomUUID()
  readonly egress: Egress
  /** Whether the client may only read, since the schema of its app is too old or it told none. */
  readonly isSchemaOld: boolean
  readonly #parts: Parts
  readonly #logger: Logger
  readonly #transport: Transport
  readonly #dialect: Dialect
  readonly #hocuspocus: HocuspocusBridge
  readonly #directRate = new TokenBucket(DIRECT_KIB.perSecond, DIRECT_KIB.burst)
  readonly #meter: Meter
  readonly #presenceRate: TokenBucket
  readonly #commitWindow: CommitWindow
  readonly #ingress: Ingress
  readonly #heartbeat: Heartbeat
  readonly #pending: PendingDocuments
  readonly #onAuthenticated: () => void
  readonly #onClosed: () => void
  /** Whose tokens came, each of them counted. */
  readonly #users = new Set<string>()
  readonly #channels = new Map<string, Channel>()
  readonly #renewal = new TokenRenewal()
  readonly #catchUp: CatchUp
  readonly #openedAt = Date.now()
  #authenticated = false
  /** For how many reasons nothing is read of it for now. */
  #holds = 0
  /** Of a document that was denied. */
  #denied: Address | undefined

  constructor(transport: Transport, client: ClientOptions, hocuspocus: Hocuspocus, parts: Parts) {
    const { config } = parts
    this.#onAuthenticated = client.onAuthenticated
    this.#onClosed = client.onClosed
    this.isSchemaOld = isSchemaOld(client.schema, config.MIN_SCHEMA)
    this.#parts = parts
    this.#logger = parts.logger.child({ connection: this.id })
    this.#transport = transport
    this.#dialect = client.dialect
    this.egress = new Egress(transport, parts.durability, parts.egresses, config.SEND_BUFFER_BYTES)
    this.#pending = new PendingDocuments(config.MAX_UNAUTHENTICATED_DOCUMENTS, config.MAX_UNAUTHENTICATED_BYTES)
    const { PRESENCE_CHANGES_PER_SECOND: presence } = config
    this.#presenceRate = new TokenBucket(presence, presence * PRESENCE_BURST_S)
    this.#meter = new Meter(config, parts.rates)
    this.#commitWindow = new CommitWindow(parts.durability)
    this.#ingress = new Ingress(
      transport,
      this.#meter,
      () => this.#mustWait(),
      (data, arrivedAt) => this.#take(data, arrivedAt),
    )
    this.#heartbeat = new Heartbeat(transport, config.PING_INTERVAL)
    this.#hocuspocus = new HocuspocusBridge(hocuspocus, {
      transport,
      dialect: client.dialect,
      egress: this.egress,
      pending: this.#pending,
      logger: this.#logger,
      context: { socket: this },
      receive: (data) => this.#receive(data),
      onDenied: (key) => {
        this.#denied = this.#dialect.addressOf(key)
      },
      close: (code, reason) => this.close(code, reason),
    })
    this.#catchUp = new CatchUp({
      logger: this.#logger,
      catchUp: parts.catchUp,
      receive: (data, isCaughtUp) => this.#receive(data, isCaughtUp),
      onFailure: () => this.close(CloseCode.TryAgainLater, 'storage is not available'),
    })
    this.#listen()
  }

  /** Whose tokens came. */
  get users(): ReadonlySet<string> {
    return this.#users
  }

  /** Whether the client was heard of since then, ms since 1970; if not, it is asked for a sign of life. */
  probe(since: number): boolean {
    return !this.egress.closed && this.#heartbeat.probe(since)
  }

  get channels(): Iterable<Channel> {
    return this.#channels.values()
  }

  /** Sends a client's token to Hocuspocus as if it had come in a message: for dialects that have it elsewhere. */
  authenticate(key: string, authentication: Uint8Array): void {
    this.#pending.open(key)
    this.#hocuspocus.handle(authentication)
  }

  /**
   * A token of `user` was good: the limits for strangers end, however long the document takes to load.
   * @throws {AccessError} `connection/too-many` when the user has too many connections; this one is closed
   */
  authenticated(user: string): void {
    if (this.egress.closed) return
    this.#join(user)
    this.#authenticated = true
    this.#meter.belongsTo(user)
    this.#onAuthenticated()
  }

  /** Ends, so that another one may authenticate. The client may come back: that there are so many is not its fault. */
  giveWay(): void {
    this.close(CloseCode.TryAgainLater, 'too many connections wait for authentication')
    // Who never says who they are may never close, either.
    setTimeout(() => this.#transport.terminate(), GIVE_WAY_MS).unref()
  }

  /** Hocuspocus has authenticated and loaded a document: from here on its messages go to its channel. */
  async opened(connection: Connection, context: ConnectionContext): Promise<void> {
    const document = this.#parts.documents.get(connection.document)
    // A client that comes from another instance brings what it heard there, until it sent its token here.
    const since = this.#pending.openingSince(connection.messageAddress) ?? performance.now()
    if (document !== undefined && document.cursor.asOf < since) await this.#catchUp.beforeJoining(document)
    const { access } = this.#parts
    if (access.isAsking && !(await this.#isAsDecided(connection, context)))
      this.close(CloseCode.TryAgainLater, 'access has changed')
    if (!this.egress.closed) this.#open(connection, context)
  }

  /** Whether what was decided before the document was loaded still is so. */
  async #isAsDecided({ document }: Connection, { principal, level }: ConnectionContext): Promise<boolean> {
    if (principal === undefined) return false
    const now = this.#parts.access.levelIn(document.name, principal)
    return (await now.catch(() => undefined)) === level
  }

  #open(connection: Connection, { principal, level }: ConnectionContext): void {
    const document = this.#parts.documents.get(connection.document)
    if (document === undefined || principal === undefined || level === undefined) {
      // It was unloaded or forgotten in the same moment.
      this.close(CloseCode.TryAgainLater, 'the document is being unloaded')
      return
    }
    const key = connection.messageAddress
    const address =
      key === document.name && this.#dialect.acknowledges ? document.address : this.#dialect.addressOf(key)
    const { acknowledges } = this.#dialect
    const { egress, isSchemaOld } = this
    const channel = new Channel({
      document,
      principal,
      level,
      address,
      egress,
      acknowledges,
      presenceRate: this.#presenceRate,
      directRate: this.#directRate,
      isSchemaOld,
      connection,
    })
    this.#channels.set(key, channel)
    channel.greet()
    this.#logger.debug({ document: document.name, user: principal.user, level }, 'document opened')
    for (const message of this.#pending.take(key)) this.#receive(message)
  }

  channelOf(connection: Connection): Channel | undefined {
    return this.#channels.get(connection.messageAddress)
  }

  /** A new token came for a channel; undefined for `level` when it grants nothing any more. */
  renewed(channel: Channel, principal: Principal, level: Level | undefined): void {
    this.#renewal.renewed(channel, principal)
    if (principal.user !== channel.principal.user)
      this.close(CloseCode.Unauthorized, 'the new token is for another user')
    else if (level !== undefined) channel.renew(principal, level)
    else this.#expel(channel)
  }

  /** What the user of a channel may do was looked up again; undefined for nothing any more. */
  decided(channel: Channel, level: Level | undefined): void {
    if (this.#channels.get(channel.connection.messageAddress) !== channel || level === channel.level) return
    if (level === undefined) this.#expel(channel)
    else channel.renew(channel.principal, level)
  }

  /** Takes no message until the returned function is called. */
  hold(): () => void {
    this.#holds += 1
    return () => {
      this.#holds -= 1
    }
  }

  #expel(channel: Channel): void {
    if (channel.understandsRefusals) this.#revoke(channel, 'access/no-grant')
    else this.close(CloseCode.Forbidden, `${channel.document.name} is not open to this user any more`)
  }

  /**
   * Documents were deleted. A client that understands it keeps its socket for its others; a stock one comes back and is
   * told which one it can't have.
   */
  deleted(names: ReadonlySet<string>): void {
    this.#endAll(names, { code: CloseCode.Deleted, reason: DOCUMENT_DELETED, what: 'was deleted' })
  }

  /** Documents were reset. A stock client comes back, and is told when it shows what it has. */
  reset(names: ReadonlySet<string>): void {
    this.#endAll(names, { code: CloseCode.Reset, reason: DOCUMENT_RESET, what: 'was reset' })
  }

  #endAll(
    names: ReadonlySet<string>,
    { code, reason, what }: { readonly code: CloseCode; readonly reason: string; readonly what: string },
  ): void {
    for (const channel of [...this.#channels.values()]) {
      if (!names.has(channel.document.name)) continue
      if (!channel.understandsRefusals) this.close(code, `${channel.document.name} ${what}`)
      // What it waits to be told may be of an update that came too late.
      else if (channel.document.isWaiting) this.close(CloseCode.TryAgainLater, `a document ${what}`)
      else this.#revoke(channel, reason)
    }
  }

  /**
   * An admin sends the user away who has connected before then, from one document or all. A client that understands it
   * keeps its socket for its others.
   */
  kicked({ user, document, at }: { readonly user: string; readonly document: string; readonly at: number }): void {
    if (this.#openedAt > at) return
    for (const channel of [...this.#channels.values()]) {
      if (channel.principal.user !== user) continue
      if (document !== '' && !goesWith(document, channel.document.name)) continue
      if (document !== '' && channel.understandsRefusals) this.#revoke(channel, KICKED)
      else this.close(CloseCode.Forbidden, KICKED_REASON)
    }
  }

  /** What happens by time: pings, deadlines, tokens that end. To be called about once a second. */
  tick(now: number): void {
    const { config } = this.#parts
    if (!this.#authenticated && now - this.#openedAt > config.AUTHENTICATION_TIMEOUT) {
      this.close(CloseCode.Timeout, 'no document was authenticated in time')
      return
    }
    this.#pending.expire(now - config.AUTHENTICATION_TIMEOUT)
    if (!this.#heartbeat.tick(now)) {
      this.#logger.debug('no sign of life')
      this.#transport.terminate()
    }
    if ([...this.#channels.values()].some((channel) => this.#renewal.hasExpired(channel, now))) {
      this.close(CloseCode.Unauthorized, 'the token has expired')
      return
    }
    if ([...this.#channels.values()].some(({ principal }) => this.#parts.isRevoked(principal))) {
      this.close(CloseCode.Unauthorized, REVOKED_REASON)
      return
    }
    const [channel] = this.#channels.values()
    // A client that was denied all it wanted would otherwise connect again every 30 s, and be denied again.
    const address = channel?.address ?? this.#denied
    if (address !== undefined && now - this.egress.lastWriteAt > SILENCE_MS) {
      this.egress.send(awarenessFrame(address, NO_STATES))
    }
  }

  /** Takes nothing more from the client; what was taken is still answered. */
  stopReading(): void {
    this.#ingress.stop()
  }

  close(code: CloseCode, reason: string): void {
    if (this.egress.closed) return
    this.#logger.debug({ code, reason }, 'connection closed')
    this.#ingress.stop()
    this.egress.close(code, reason)
    // At once, not when the peer has answered.
    this.#leaveAll()
  }

  #listen(): void {
    this.#transport.listen({
      isKnown: () => this.#authenticated,
      message: (data) => this.#ingress.push(data),
      heard: () => this.#heartbeat.heard(),
      drained: () => this.egress.drained(),
      refused: (code, reason) => this.close(code, reason),
      failed: (error) => this.#logger.debug({ error }, 'transport error'),
      closed: (code, reason) => this.#closed(code, reason),
    })
  }

  #join(user: string): void {
    if (this.#users.has(user)) return
    const { users } = this.#parts
    if (!users.join(user)) {
      const problem = `a user has at most ${users.max} connections`
      this.close(CloseCode.TooMany, problem)
      throw new AccessError('connection/too-many', CloseCode.TooMany, problem)
    }
    this.#users.add(user)
  }

  #closed(code: number, reason: string): void {
    this.egress.dispose()
    this.#ingress.stop()
    this.#pending.clear()
    this.#leaveAll()
    for (const user of this.#users) this.#parts.users.leave(user)
    this.#hocuspocus.closed(code, reason)
    this.#onClosed()
  }

  #leaveAll(): void {
    for (const channel of this.#channels.values()) channel.close()
    this.#channels.clear()
  }

  #mustWait(): boolean {
    const { config, durability } = this.#parts
    return (
      this.#holds > 0 ||
      this.#catchUp.isHolding ||
      this.egress.congested ||
      this.#pending.congested ||
      this.#commitWindow.isFull ||
      durability.waitingBytes > config.COMMIT_BUFFER_BYTES
    )
  }

  #take(data: Uint8Array, arrivedAt: number): void {
    const { traffic } = this.egress
    traffic.messages += 1
    traffic.messageBytes += data.length
    this.egress.receivedAt = arrivedAt
    this.#commitWindow.count(data.length, () => this.#receive(data))
  }

  #receive(data: Uint8Array, isCaughtUp = false): void {
    if (this.egress.closed || this.#catchUp.hold(data)) return
    try {
      this.#dispatch(data, isCaughtUp)
    } catch (error) {
      if (error instanceof MayBeBehind) void this.#catchUp.receiveAfter(error.document, data)
      else this.#refuse(error)
    }
  }

  #dispatch(data: Uint8Array, isCaughtUp: boolean): void {
    // Hocuspocus' keep-alive, without an address.
    if (data.length === 1 && (data[0] === MessageType.Ping || data[0] === MessageType.Pong)) return
    const message = this.#dialect.read(data)
    const channel = this.#channels.get(message.key)
    if (channel !== undefined) this.#dispatchOpen(channel, message, data, isCaughtUp)
    else this.#dispatchPending(message, data)
  }

  #dispatchOpen(channel: Channel, { key, type, decoder }: Message, data: Uint8Array, isCaughtUp: boolean): void {
    switch (type) {
      case MessageType.Auth:
        checkToken(decoder)
        this.#hocuspocus.handle(data)
        return
      case MessageType.Stateless:
        if (!channel.receiveStateless(decoding.readVarString(decoder))) this.#hocuspocus.handle(data)
        return
      case MessageType.Close:
        this.#detach(key, channel)
        return
      default:
        this.#dispatchSync(channel, type, decoder, isCaughtUp)
    }
  }

  /** A client that has what a document was before it was reset is turned away from this one, if it understands that. */
  #dispatchSync(channel: Channel, type: number, decoder: decoding.Decoder, isCaughtUp: boolean): void {
    try {
      channel.receive(type, decoder, isCaughtUp)
    } catch (error) {
      const isReset = error instanceof AccessError && error.code === DOCUMENT_RESET
      if (!isReset || !this.#dialect.acknowledges) throw error
      this.#revoke(channel, DOCUMENT_RESET)
    }
  }

  #dispatchPending({ key, type, decoder }: Message, data: Uint8Array): void {
    if (key.length > MAX_KEY_LENGTH) throw new Error('the document name is too long')
    // Hocuspocus takes an empty session for none, so that two keys would be one document.
    if (key.endsWith('\0')) throw new Error('the session has no name')
    const problem = documentNameProblem(documentOfKey(key))
    if (type === MessageType.Auth) {
      checkToken(decoder)
      if (problem !== undefined) {
        this.egress.traffic.refused('document/bad-name')
        this.egress.send(permissionDeniedFrame(this.#dialect.addressOf(key), `document/bad-name: ${problem}`), true)
        return
      }
      this.#checkDocumentCount()
      if (this.#pending.open(key)) this.#pending.keep(key, data)
      else this.#hocuspocus.handle(data)
      return
    }
    if (problem !== undefined) throw new AccessError('document/bad-name', CloseCode.Malformed, problem)
    // A document that was closed, or never opened: nothing to close. One that is being opened is closed in its turn.
    if (type === MessageType.Close && !this.#pending.isOpening(key)) return
    this.#pending.keep(key, data)
  }

  #checkDocumentCount(): void {
    const { MAX_DOCUMENTS_PER_CONNECTION: max } = this.#parts.config
    if (this.#channels.size + this.#pending.opening < max) return
    const problem = `a connection has at most ${max} documents`
    throw new AccessError('connection/too-many-documents', CloseCode.TooMany, problem)
  }

  /** Closes one document and keeps the socket. */
  #detach(key: string, channel: Channel): void {
    this.#channels.delete(key)
    this.#renewal.forget(channel)
    channel.close()
    this.#hocuspocus.detach(channel.connection)
  }

  /** Closes one document to a client that goes on with its others; a stock one would be left deaf. */
  #revoke(channel: Channel, reason: string): void {
    this.#denied = channel.address
    this.egress.traffic.refused(reason)
    this.egress.send(permissionDeniedFrame(channel.address, reason), true)
    this.#detach(channel.connection.messageAddress, channel)
  }

  #refuse(error: unknown): void {
    this.egress.traffic.refused(error instanceof AccessError ? error.code : 'protocol/malformed')
    if (error instanceof AccessError) {
      this.#logger.info({ code: error.code, closeCode: error.closeCode, reason: error.message }, 'message refused')
      this.close(error.closeCode, error.message)
    } else {
      this.#logger.info({ error }, 'malformed message')
      this.close(CloseCode.Malformed, 'the message can not be decoded')
    }
  }
}

function checkToken(decoder: decoding.Decoder): void {
  if (decoding.readVarUint(decoder) !== AuthType.Token) throw new Error('only tokens come from clients')
  if (decoding.readVarString(decoder).length > MAX_TOKEN_LENGTH) throw new Error('the token is too long')
}
