import { randomUUID } from 'node:crypto'
import * as decoding from 'lib0/decoding'
import type { Logger } from 'pino'
import { CloseCode } from '../../model/close-codes.ts'
import type { Kick } from '../../persistence/admin-store.ts'
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
import { Channel, type ChannelClient, MayBeBehind } from './channel.ts'
import { CommitWindow } from './commit-window.ts'
import type { ConnectionCounts } from './connection-counts.ts'
import { type Dialect, documentOfKey, type Message, readToken } from './dialect.ts'
import { Egress, type EgressGroup } from './egress.ts'
import { DELETED, type EndingClient, endDocuments, endGrant, endKicked, RESET } from './endings.ts'
import { type Address, type Frame, MessageType, permissionDeniedFrame, silenceFrame } from './frames.ts'
import { Heartbeat } from './heartbeat.ts'
import { Ingress, type Receiver } from './ingress.ts'
import { Meter } from './meter.ts'
import type { Admitted, Opener, Opening } from './opener.ts'
import { type Arrived, Openings } from './openings.ts'
import type { Stranger } from './strangers.ts'
import { TokenBucket } from './token-bucket.ts'
import type { Transport, TransportListener } from './transport.ts'
import type { UserRates } from './user-rates.ts'
import type { Timed } from './wheel.ts'

/** A line that stalls delivers all at once what was shown meanwhile. */
const PRESENCE_BURST_S = 60
/** Direct messages of one connection, KiB a second, and after a pause: what a call of six begins with, several times. */
const DIRECT_KIB = { perSecond: 200, burst: 2_000 } as const
/** How long a connection that gave way has for hearing why. */
const GIVE_WAY_MS = 100
/** How soon documents that wait for their token are looked at again. */
const PENDING_LOOK_MS = 1_000
/** Why a document isn't opened now, and may be a little later. */
const RETRIED_REASONS: ReadonlySet<string> = new Set([
  'storage/unavailable',
  'storage/full',
  'access/unavailable',
  'document/seed-failed',
  'document/rules-failed',
])

export interface Parts {
  readonly config: Config
  readonly logger: Logger
  readonly opener: Opener
  readonly documents: Pick<Documents, 'arriving'>
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

/** Who keeps connections, and calls tick() when it is time. */
export interface ConnectionOwner {
  /** A token was good, which may be told more than once. */
  authenticated(connection: SocketConnection): void
  /** tick() has something to do at another time than it said. */
  retimed(connection: SocketConnection): void
  /** Its transport is gone. Called once. */
  closed(connection: SocketConnection): void
}

/** What is known of a client before its first message. */
export interface ClientOptions {
  readonly owner: ConnectionOwner
  readonly dialect: Dialect
  /** The version of its app's document schema. */
  readonly schema: number | undefined
  /** Where it connects from. */
  readonly address: string
}

/**
 * One client: reads its messages, has documents opened for it, hands everything about open ones to their channels, and
 * closes it with a code when something is wrong. There are many of these, most of them silent: what a silent one does not
 * need is made when it is needed.
 */
export class SocketConnection
  implements Stranger, Timed, Opening, Receiver, ChannelClient, EndingClient, TransportListener
{
  readonly egress: Egress
  /** Whether the client may only read, since the schema of its app is too old or it told none. */
  readonly isSchemaOld: boolean
  /** Where the client connects from. */
  readonly address: string
  slot = 0
  readonly #parts: Parts
  readonly #owner: ConnectionOwner
  readonly #transport: Transport
  readonly #dialect: Dialect
  readonly #meter: Meter
  readonly #ingress: Ingress
  readonly #heartbeat: Heartbeat
  readonly #openedAt = Date.now()
  /** Whose tokens came, each of them counted. */
  #users: readonly string[] = []
  readonly #channels = new Map<string, Channel>()
  #madeLogger: Logger | undefined
  #openings: Openings | undefined
  #directRate: TokenBucket | undefined
  #presenceRate: TokenBucket | undefined
  #commitWindow: CommitWindow | undefined
  #catchUp: CatchUp | undefined
  #authenticated = false
  /** For how many reasons nothing is read of it for now. */
  #holds = 0
  /** Of a document that was denied. */
  #denied: Address | undefined

  constructor(transport: Transport, { owner, dialect, schema, address }: ClientOptions, parts: Parts) {
    const { config } = parts
    this.isSchemaOld = isSchemaOld(schema, config.MIN_SCHEMA)
    this.address = address
    this.#owner = owner
    this.#parts = parts
    this.#transport = transport
    this.#dialect = dialect
    this.egress = new Egress(transport, parts.durability, parts.egresses, config.SEND_BUFFER_BYTES)
    this.#meter = new Meter(config, parts.rates)
    this.#ingress = new Ingress(transport, this.#meter, this)
    this.#heartbeat = new Heartbeat(transport, this.egress, config.PING_INTERVAL)
    transport.listen(this)
  }

  /** Whose tokens came. */
  get users(): readonly string[] {
    return this.#users
  }

  get isClosed(): boolean {
    return this.egress.closed
  }

  get acknowledges(): boolean {
    return this.#dialect.acknowledges
  }

  get presenceRate(): TokenBucket {
    const { PRESENCE_CHANGES_PER_SECOND: perSecond } = this.#parts.config
    this.#presenceRate ??= new TokenBucket(perSecond, perSecond * PRESENCE_BURST_S)
    return this.#presenceRate
  }

  get directRate(): TokenBucket {
    this.#directRate ??= new TokenBucket(DIRECT_KIB.perSecond, DIRECT_KIB.burst)
    return this.#directRate
  }

  /** Whether the client was heard of since then, ms since 1970; if not, it is asked for a sign of life. */
  probe(since: number): boolean {
    return !this.egress.closed && this.#heartbeat.probe(since)
  }

  get channels(): Iterable<Channel> {
    return this.#channels.values()
  }

  get admitted(): Iterable<{ readonly document: string; readonly principal: Principal }> {
    return this.#openings?.admitted ?? []
  }

  /** Opens a document with a token that came in no message: for dialects that have it elsewhere. */
  authenticate(key: string, token: string): void {
    this.#arriving.open(key, token)
  }

  /**
   * A token was good: the limits for strangers end, however long the document takes to load.
   * @throws {AccessError} `connection/too-many` when the user has too many connections; this one is closed
   */
  authenticated(key: string, principal: Principal): void {
    if (this.egress.closed) return
    const { user } = principal
    this.#join(user)
    this.#openings?.admit(key, principal)
    this.#authenticated = true
    this.#meter.belongsTo(user)
    this.#transport.trust()
    this.#owner.authenticated(this)
  }

  /** Ends, so that another one may authenticate. The client may come back: that there are so many is not its fault. */
  giveWay(): void {
    this.close(CloseCode.TryAgainLater, 'too many connections wait for authentication')
    // Who never says who they are may never close, either.
    setTimeout(() => this.#transport.terminate(), GIVE_WAY_MS).unref()
  }

  /** From here on the messages of a document go to its channel. */
  opened(key: string, document: OpenDocument, admitted: Admitted): void {
    const { acknowledges } = this.#dialect
    const address = key === document.name && acknowledges ? document.address : this.#dialect.addressOf(key)
    const channel = new Channel(this, document, key, address, admitted)
    this.#channels.set(key, channel)
    if (this.#parts.isRevoked(admitted.principal)) {
      this.close(CloseCode.Unauthorized, REVOKED_REASON)
      return
    }
    const { messages, early } = this.#arrived(key)
    channel.greet(early !== undefined)
    const { user } = admitted.principal
    this.#log('debug', { document: document.name, user, level: admitted.level }, 'document opened')
    if (early !== undefined && early.epoch !== document.epoch) {
      // It was reset meanwhile: what the client was given is of before.
      if (acknowledges) this.revoke(channel, DOCUMENT_RESET)
      else this.close(CloseCode.Reset, DOCUMENT_RESET)
      return
    }
    if (early !== undefined) channel.goOn(early)
    for (const message of messages) this.#receive(message)
    this.#owner.retimed(this)
  }

  /** A client that has nothing yet need not wait for the document. */
  loading(key: string, admitted: Admitted, since: number): void {
    this.#openings?.loading(key, admitted, since)
  }

  /** A document that a token was sent for is not opened. */
  denied(key: string, reason: string): void {
    if (this.egress.closed) return
    this.egress.traffic.refused(reason)
    const { messages } = this.#arrived(key)
    this.#log('info', { document: documentOfKey(key), reason }, 'document denied')
    // Only Hocuspocus' clients understand a denial; and storage or keys that are away deny nobody.
    if (RETRIED_REASONS.has(reason)) this.close(CloseCode.TryAgainLater, reason)
    else if (this.#dialect.acknowledges) {
      this.#denied = this.#dialect.addressOf(key)
      this.egress.send(permissionDeniedFrame(this.#denied, reason), true)
      this.#openAgain(messages)
    } else this.close(closeCodeOf(reason), reason)
  }

  /** A client that closed a document and opened it once more, while its first token was checked, has sent another one. */
  #openAgain(messages: readonly Uint8Array[]): void {
    const next = messages.findIndex((message) => this.#dialect.read(message).type === MessageType.Auth)
    if (next === -1) return
    for (const message of messages.slice(next)) this.#receive(message)
  }

  async #renew(channel: Channel, token: string): Promise<void> {
    try {
      const { principal, level } = await this.#parts.opener.renew(token, channel)
      if (this.#channels.get(channel.key) === channel) this.#renewed(channel, principal, level)
    } catch (error) {
      if (error instanceof AccessError) {
        this.#log('info', { document: channel.document.name, error }, 'new token refused')
        this.close(CloseCode.Unauthorized, error.message)
      } else {
        // The old one is good until it ends.
        this.#log('error', { document: channel.document.name, error }, 'a new token could not be checked')
      }
    }
  }

  /** A new token came for a channel; undefined for `level` when it grants nothing any more. */
  #renewed(channel: Channel, principal: Principal, level: Level | undefined): void {
    if (principal.user !== channel.principal.user)
      this.close(CloseCode.Unauthorized, 'the new token is for another user')
    else if (level !== undefined) channel.renew(principal, level)
    else endGrant(this, channel)
    this.#owner.retimed(this)
  }

  /** What the user of a channel may do was looked up again; undefined for nothing any more. */
  decided(channel: Channel, level: Level | undefined): void {
    if (this.#channels.get(channel.key) !== channel || level === channel.level) return
    if (level === undefined) endGrant(this, channel)
    else channel.renew(channel.principal, level)
  }

  /** Takes no message until the returned function is called. */
  hold(): () => void {
    this.#holds += 1
    return () => {
      this.#holds -= 1
    }
  }

  /** Documents were deleted. */
  deleted(names: ReadonlySet<string>): void {
    endDocuments(this, names, DELETED)
  }

  /** Documents were reset. */
  reset(names: ReadonlySet<string>): void {
    endDocuments(this, names, RESET)
  }

  kicked(kick: Kick): void {
    if (this.#openedAt <= kick.at) endKicked(this, kick)
  }

  /** Admins have revoked tokens. */
  revoked(): void {
    const admitted = [...this.#channels.values(), ...this.admitted]
    if (admitted.some(({ principal }) => this.#parts.isRevoked(principal)))
      this.close(CloseCode.Unauthorized, REVOKED_REASON)
  }

  /** When tick() has something to do next, ms since 1970. */
  get dueAt(): number {
    if (this.egress.closed) return Number.POSITIVE_INFINITY
    let dueAt = this.#heartbeat.dueAt
    if (!this.#authenticated) dueAt = Math.min(dueAt, this.#openedAt + this.#parts.config.AUTHENTICATION_TIMEOUT)
    if (this.#openings !== undefined) dueAt = Math.min(dueAt, Date.now() + PENDING_LOOK_MS)
    for (const channel of this.#channels.values()) dueAt = Math.min(dueAt, channel.renewalAt)
    return dueAt
  }

  /** What happens by time: pings, deadlines, tokens that end. */
  tick(now: number): number {
    const { AUTHENTICATION_TIMEOUT: patienceMs } = this.#parts.config
    if (this.egress.closed) return this.dueAt
    if (!this.#authenticated && now - this.#openedAt > patienceMs) {
      this.close(CloseCode.Timeout, 'no document was authenticated in time')
      return this.dueAt
    }
    this.#openings?.expire(now - patienceMs)
    this.#dropOpenings()
    for (const channel of this.#channels.values()) {
      if (!channel.hasExpired(now)) continue
      this.close(CloseCode.Unauthorized, 'the token has expired')
      return this.dueAt
    }
    if (!this.#heartbeat.beat(now, () => this.#silence())) {
      this.#log('debug', {}, 'no sign of life')
      this.#transport.terminate()
    }
    return this.dueAt
  }

  /** What tells nothing, but that the server is there; undefined for a client that would not understand it. */
  #silence(): Frame | undefined {
    const [channel] = this.#channels.values()
    // A client that was denied all it wanted would otherwise connect again every 30 s, and be denied again.
    const address = channel?.address ?? this.#denied
    return address === undefined ? undefined : silenceFrame(address)
  }

  /** Takes nothing more from the client; what was taken is still answered. */
  stopReading(): void {
    this.#ingress.stop()
  }

  close(code: CloseCode, reason: string): void {
    if (this.egress.closed) return
    this.#log('debug', { code, reason }, 'connection closed')
    this.#ingress.stop()
    this.egress.close(code, reason)
    // At once, not when the peer has answered.
    this.#leaveAll()
  }

  message(data: Uint8Array): void {
    this.#heartbeat.heard()
    this.#ingress.push(data)
  }

  heard(): void {
    this.#heartbeat.heard()
  }

  drained(): void {
    this.egress.drained()
  }

  refused(code: CloseCode, reason: string): void {
    this.close(code, reason)
  }

  failed(error: unknown): void {
    this.#log('debug', { error }, 'transport error')
  }

  closed(): void {
    this.egress.dispose()
    this.#ingress.stop()
    this.#openings = undefined
    this.#leaveAll()
    for (const user of this.#users) this.#parts.users.leave(user)
    this.#owner.closed(this)
  }

  #join(user: string): void {
    if (this.#users.includes(user)) return
    const { users } = this.#parts
    if (!users.join(user)) {
      const problem = `a user has at most ${users.max} connections`
      this.close(CloseCode.TooMany, problem)
      throw new AccessError('connection/too-many', CloseCode.TooMany, problem)
    }
    this.#users = [...this.#users, user]
  }

  #leaveAll(): void {
    for (const channel of this.#channels.values()) this.#leave(channel)
    this.#channels.clear()
  }

  #leave(channel: Channel): void {
    channel.close()
    this.#parts.opener.release(channel.document)
  }

  get mustWait(): boolean {
    const { config, durability } = this.#parts
    return (
      this.#holds > 0 ||
      this.#catchUp?.isHolding === true ||
      this.egress.congested ||
      this.#openings?.congested === true ||
      this.#commitWindow?.isFull === true ||
      durability.waitingBytes > config.COMMIT_BUFFER_BYTES
    )
  }

  take(data: Uint8Array, arrivedAt: number): void {
    const { durability } = this.#parts
    const { traffic } = this.egress
    traffic.messages += 1
    traffic.messageBytes += data.length
    this.egress.receivedAt = arrivedAt
    const before = durability.appended
    this.#receive(data)
    const updates = durability.appended - before
    if (updates === 0) return
    this.#commitWindow ??= new CommitWindow(durability)
    this.#commitWindow.count(updates, data.length)
  }

  #receive(data: Uint8Array, isCaughtUp = false): void {
    if (this.egress.closed || this.#catchUp?.hold(data)) return
    try {
      this.#dispatch(data, isCaughtUp)
    } catch (error) {
      if (error instanceof MayBeBehind) void this.#receiveLater(error.document, data)
      else this.#refuse(error)
    }
  }

  async #receiveLater(document: OpenDocument, data: Uint8Array): Promise<void> {
    this.#catchUp ??= new CatchUp({
      logger: this.#logger,
      catchUp: this.#parts.catchUp,
      receive: (data, isCaughtUp) => this.#receive(data, isCaughtUp),
      onFailure: () => this.close(CloseCode.TryAgainLater, 'storage is not available'),
    })
    await this.#catchUp.receiveAfter(document, data)
  }

  #dispatch(data: Uint8Array, isCaughtUp: boolean): void {
    // Hocuspocus' keep-alive, without an address.
    if (data.length === 1 && (data[0] === MessageType.Ping || data[0] === MessageType.Pong)) return
    const message = this.#dialect.read(data)
    const channel = this.#channels.get(message.key)
    if (channel !== undefined) this.#dispatchOpen(channel, message, isCaughtUp)
    else this.#arriving.receive(message, data, this.#channels.size)
  }

  #dispatchOpen(channel: Channel, { type, decoder }: Message, isCaughtUp: boolean): void {
    switch (type) {
      case MessageType.Auth:
        void this.#renew(channel, readToken(decoder))
        return
      case MessageType.Stateless:
        channel.receiveStateless(decoding.readVarString(decoder))
        return
      case MessageType.Close:
        this.#detach(channel)
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
      this.revoke(channel, DOCUMENT_RESET)
    }
  }

  /** The documents that are not open yet. */
  get #arriving(): Openings {
    if (this.#openings !== undefined) return this.#openings
    const { config, opener, documents } = this.#parts
    this.#openings = new Openings({
      client: this,
      config,
      dialect: this.#dialect,
      egress: this.egress,
      opener,
      documents,
      isSchemaOld: this.isSchemaOld,
      onFailure: (key, error) => {
        this.#log('error', { document: documentOfKey(key), error }, 'a document could not be opened')
        this.close(CloseCode.TryAgainLater, 'the document could not be opened')
      },
    })
    this.#owner.retimed(this)
    return this.#openings
  }

  /** What came for a document that is open now, or denied. */
  #arrived(key: string): Arrived {
    const arrived = this.#openings?.take(key)
    this.#dropOpenings()
    return arrived ?? { messages: [], early: undefined }
  }

  #dropOpenings(): void {
    if (this.#openings?.isEmpty) this.#openings = undefined
  }

  /** Closes one document and keeps the socket. */
  #detach(channel: Channel): void {
    this.#channels.delete(channel.key)
    this.#leave(channel)
  }

  /** Closes one document to a client that goes on with its others; a stock one would be left deaf. */
  revoke(channel: Channel, reason: string): void {
    this.#denied = channel.address
    this.egress.traffic.refused(reason)
    this.egress.send(permissionDeniedFrame(channel.address, reason), true)
    this.#detach(channel)
  }

  #refuse(error: unknown): void {
    this.egress.traffic.refused(error instanceof AccessError ? error.code : 'protocol/malformed')
    if (error instanceof AccessError) {
      this.#log('info', { code: error.code, closeCode: error.closeCode, reason: error.message }, 'message refused')
      this.close(error.closeCode, error.message)
    } else {
      this.#log('info', { error }, 'malformed message')
      this.close(CloseCode.Malformed, 'the message can not be decoded')
    }
  }

  #log(level: 'debug' | 'info' | 'error', fields: object, message: string): void {
    if (this.#parts.logger.isLevelEnabled(level)) this.#logger[level](fields, message)
  }

  /** Most connections have nothing to say in the log. */
  get #logger(): Logger {
    this.#madeLogger ??= this.#parts.logger.child({ connection: randomUUID() })
    return this.#madeLogger
  }
}

function closeCodeOf(reason: string): CloseCode {
  if (reason === DOCUMENT_DELETED) return CloseCode.Deleted
  return reason.startsWith('access/token') ? CloseCode.Unauthorized : CloseCode.Forbidden
}
