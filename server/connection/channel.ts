import type { Connection } from '@hocuspocus/server'
import * as decoding from 'lib0/decoding'
import { CloseCode } from '../../model/close-codes.ts'
import { directRequestIn, encodeDirectRefusal } from '../../model/direct.ts'
import { encodeRefusal, SCHEMA_TOO_OLD, UNDERSTANDS_REFUSALS } from '../../model/refusals.ts'
import { AccessError } from '../access/access-error.ts'
import { allows, type Level, type Principal } from '../access/grants.ts'
import { MUTED, MUTED_REASON, muted } from '../access/muted.ts'
import { SCHEMA_REASON, schemaTooOld } from '../access/schema.ts'
import { RefusedError } from '../documents/guard.ts'
import type { OpenDocument } from '../documents/open-document.ts'
import type { Subscriber } from '../documents/subscribers.ts'
import { admitDirect } from '../rooms/direct-messages.ts'
import type { Egress } from './egress.ts'
import {
  type Address,
  awarenessFrame,
  type Frame,
  MessageType,
  SyncType,
  scopeFrame,
  statelessFrame,
  syncFrame,
  syncStatusFrame,
} from './frames.ts'
import type { TokenBucket } from './token-bucket.ts'

export interface ChannelOptions {
  readonly document: OpenDocument
  readonly principal: Principal
  readonly level: Level
  readonly address: Address
  readonly egress: Egress
  readonly acknowledges: boolean
  /** How often the connection may change its presence, over all its documents. */
  readonly presenceRate: TokenBucket
  /** How many KiB of direct messages the connection may send, over all its documents. */
  readonly directRate: TokenBucket
  /** Whether the client's schema is older than this server lets write. */
  readonly isSchemaOld: boolean
  /** Hocuspocus' side of it, which keeps the document in memory. */
  readonly connection: Connection
}

/**
 * A message that would be refused, while other instances may have committed what it builds on: a client that comes from
 * one of them brings what it heard there. It is to be received again once the document has all that is committed.
 */
export class MayBeBehind extends Error {
  override readonly name = 'MayBeBehind'
  readonly document: OpenDocument

  constructor(document: OpenDocument, options: ErrorOptions) {
    super(`${document.name} may lack what others have committed`, options)
    this.document = document
  }
}

/** One document open on one socket: what its sync and awareness messages do. */
export class Channel implements Subscriber {
  readonly document: OpenDocument
  readonly address: Address
  readonly connection: Connection
  readonly #egress: Egress
  readonly #acknowledges: boolean
  readonly #presenceRate: TokenBucket
  readonly #directRate: TokenBucket
  readonly #isSchemaOld: boolean
  #principal: Principal
  #level: Level
  #understandsRefusals = false
  /** Whether the client has answered our sync step, and so brought all it had. */
  #hasAnswered = false
  #owedAcknowledgements = 0

  constructor(options: ChannelOptions) {
    this.document = options.document
    this.address = options.address
    this.connection = options.connection
    this.#egress = options.egress
    this.#acknowledges = options.acknowledges
    this.#presenceRate = options.presenceRate
    this.#directRate = options.directRate
    this.#isSchemaOld = options.isSchemaOld
    this.#principal = options.principal
    this.#level = options.level
    this.document.join(this)
  }

  get principal(): Principal {
    return this.#principal
  }

  get level(): Level {
    return this.#level
  }

  /** Whether the client is told of what it may not do, instead of being cut off. */
  get understandsRefusals(): boolean {
    return this.#understandsRefusals
  }

  /** Tells the client what it has to know before anything else. */
  greet(): void {
    const states = this.document.presence.current()
    if (states !== undefined) this.#egress.send(awarenessFrame(this.address, states), true)
    if (this.#isTooOldToWrite && this.#acknowledges) {
      this.#egress.send(statelessFrame(this.address, SCHEMA_TOO_OLD), true)
    }
  }

  /** Takes a stateless message; false for one that says nothing to us. */
  receiveStateless(message: string): boolean {
    const direct = directRequestIn(message)
    if (message === UNDERSTANDS_REFUSALS) this.#understandsRefusals = true
    else if (direct !== undefined) this.#sendDirect(direct)
    else return false
    return true
  }

  tell(payload: string): void {
    if (this.#acknowledges) this.#egress.send(statelessFrame(this.address, payload))
  }

  send(frame: Frame, isCommitted: boolean): void {
    if (isCommitted) this.#egress.sendCommitted(frame)
    else this.#egress.send(frame)
  }

  countPresence(): void {
    this.#presenceRate.take(1)
    if (this.#presenceRate.waitMs() === 0) return
    throw new AccessError('presence/too-many', CloseCode.TooMany, 'presence changes too often')
  }

  /** The same user's newer token takes effect from the next message on. */
  renew(principal: Principal, level: Level): void {
    const mightWrite = this.#mayWrite
    this.#principal = principal
    this.#level = level
    this.connection.readOnly = !this.#mayWrite
    if (this.#mayWrite === mightWrite) return
    if (this.#acknowledges) this.#egress.send(scopeFrame(this.address, this.#mayWrite), true)
    // What the client wrote meanwhile was not taken.
    if (this.#mayWrite) this.#egress.send(syncFrame(this.address, SyncType.Step1, this.document.stateVector()), true)
  }

  /**
   * `isCaughtUp` tells that the document has what was committed anywhere when the message had come.
   * @throws {MayBeBehind}
   * @throws {AccessError} for what is refused
   * @throws {Error} for what can't be decoded
   */
  receive(type: number, decoder: decoding.Decoder, isCaughtUp: boolean): void {
    switch (type) {
      case MessageType.Sync:
      case MessageType.SyncReply:
        this.#receiveSync(decoding.readVarUint(decoder), decoding.readVarUint8Array(decoder), type, isCaughtUp)
        return
      case MessageType.Awareness:
        this.document.presence.receive(this, decoding.readVarUint8Array(decoder))
        return
      case MessageType.QueryAwareness: {
        const states = this.document.presence.current()
        if (states !== undefined) this.#egress.send(awarenessFrame(this.address, states), true)
        return
      }
      default:
        throw new AccessError('protocol/unknown-message', CloseCode.Malformed, `unknown message type ${type}`)
    }
  }

  close(): void {
    this.document.leave(this)
  }

  /** It is kept nowhere, so that one too many is dropped, and nothing waits for it. */
  #sendDirect(text: string): void {
    const isTooMany = this.#directRate.waitMs() > 0
    const isMuted = this.document.isMuted(this.#principal.user)
    const outcome = isMuted
      ? DIRECT_MUTED
      : isTooMany
        ? TOO_MANY
        : admitDirect(text, this.document.name, this.document.ydoc, this)
    if ('rule' in outcome) {
      this.#egress.send(statelessFrame(this.address, encodeDirectRefusal(outcome)), true)
      return
    }
    this.#directRate.take(Math.ceil(text.length / 1024))
    this.document.sendDirect(outcome)
  }

  get #mayWrite(): boolean {
    return allows(this.#level, this.document.levelToChange) && !this.#isSchemaOld
  }

  /** Whether it is only the schema that keeps the client from writing. */
  get #isTooOldToWrite(): boolean {
    return allows(this.#level, this.document.levelToChange) && this.#isSchemaOld
  }

  #receiveSync(syncType: number, payload: Uint8Array, messageType: number, isCaughtUp: boolean): void {
    switch (syncType) {
      case SyncType.Step1:
        this.#answer(payload, messageType)
        return
      case SyncType.Step2:
      case SyncType.Update:
        this.#take(payload, syncType === SyncType.Step2, isCaughtUp)
        return
      default:
        throw new AccessError('protocol/unknown-message', CloseCode.Malformed, `unknown sync message type ${syncType}`)
    }
  }

  #answer(stateVector: Uint8Array, messageType: number): void {
    this.#egress.send(syncFrame(this.address, SyncType.Step2, this.document.missingFrom(stateVector)), true)
    if (messageType === MessageType.SyncReply) return
    this.#egress.send(syncFrame(this.address, SyncType.Step1, this.document.stateVector()), true)
  }

  #take(update: Uint8Array, isAnswer: boolean, isCaughtUp: boolean): void {
    const isMuted = this.document.isMuted(this.#principal.user)
    if (!this.#mayWrite || isMuted) {
      const hasNews = !isAnswer || !this.document.contains(update)
      if (hasNews && isAnswer && !isCaughtUp) throw new MayBeBehind(this.document, {})
      if (hasNews && this.#isTooOldToWrite) this.#refuse(schemaTooOld(), SCHEMA_REASON)
      // A stock client goes on with what it has, unsaved, instead of coming back again and again.
      else if (hasNews && isMuted && this.#understandsRefusals) this.#refuse(muted(), MUTED_REASON)
      else this.#acknowledge(!hasNews)
      return
    }
    try {
      this.document.receive(this, update, isAnswer)
    } catch (error) {
      if (isRefusal(error) && !isCaughtUp) throw new MayBeBehind(this.document, { cause: error })
      this.#copeWith(error, isAnswer)
      return
    }
    this.#acknowledge(true)
    if (isAnswer) this.#finishFirstSync()
  }

  /** Throws what the client can't go on after. */
  #copeWith(error: unknown, isAnswer: boolean): void {
    if (error instanceof RefusedError && error.gap && !isAnswer && !this.#hasAnswered) {
      // Made before the first sync was done: the answer to our sync step brings it, with what it needs.
      this.#owedAcknowledgements += 1
    } else if (error instanceof RefusedError) {
      this.#refuse(error, error.reason)
    } else if (isRefusal(error)) {
      this.#refuse(error, error.message)
    } else {
      throw error
    }
  }

  /** Tells the client that a change was refused; throws where it would not understand. */
  #refuse(error: AccessError, reason: string): void {
    if (!this.#understandsRefusals) throw error
    this.#egress.traffic.refused(error.code)
    this.#egress.send(statelessFrame(this.address, encodeRefusal({ rule: error.code, reason })), true)
    this.#acknowledge(false)
  }

  #finishFirstSync(): void {
    this.#hasAnswered = true
    for (; this.#owedAcknowledgements > 0; this.#owedAcknowledgements -= 1) this.#acknowledge(true)
  }

  #acknowledge(stored: boolean): void {
    if (this.#acknowledges) this.#egress.acknowledge(syncStatusFrame(this.address, stored))
  }
}

const DIRECT_MUTED = { rule: MUTED, reason: MUTED_REASON }
const TOO_MANY = { rule: 'direct/too-many', reason: 'direct messages come too fast' }

/** Whether a change is refused for what the document holds. */
function isRefusal(error: unknown): error is AccessError {
  return error instanceof RefusedError || (error instanceof AccessError && error.closeCode === CloseCode.ClientIdTaken)
}
