import * as decoding from 'lib0/decoding'
import { CloseCode } from '../../model/close-codes.ts'
import { directRequestIn, encodeDirectRefusal } from '../../model/direct.ts'
import { encodeRefusal, SCHEMA_TOO_OLD, UNDERSTANDS_REFUSALS } from '../../model/refusals.ts'
import { AccessError } from '../access/access-error.ts'
import { allows, type Level, type Principal } from '../access/grants.ts'
import { MUTED, MUTED_REASON, muted } from '../access/muted.ts'
import { SCHEMA_REASON, schemaTooOld } from '../access/schema.ts'
import { NO_CHANGE } from '../documents/apply-update.ts'
import { RefusedError } from '../documents/guard.ts'
import type { OpenDocument } from '../documents/open-document.ts'
import type { Subscriber } from '../documents/subscribers.ts'
import { admitDirect } from '../rooms/direct-messages.ts'
import type { EarlyAnswer } from './early-answer.ts'
import type { Egress, Outgoing } from './egress.ts'
import {
  type Address,
  awarenessFrame,
  MessageType,
  SyncType,
  scopeFrame,
  statelessFrame,
  syncFrame,
  syncStatusFrame,
  tokenRequestFrame,
} from './frames.ts'
import type { Admitted } from './opener.ts'
import type { TokenBucket } from './token-bucket.ts'

/** A new token is asked for so long before the old one ends. */
const RENEWAL_MS = 60_000

/** What a channel needs of its connection. */
export interface ChannelClient {
  readonly egress: Egress
  readonly acknowledges: boolean
  /** How often the connection may change its presence, over all its documents. */
  readonly presenceRate: TokenBucket
  /** How many KiB of direct messages the connection may send, over all its documents. */
  readonly directRate: TokenBucket
  /** Whether the client's schema is older than this server lets write. */
  readonly isSchemaOld: boolean
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
  /** What its connection knows it by. */
  readonly key: string
  readonly address: Address
  readonly #client: ChannelClient
  #principal: Principal
  #level: Level
  #understandsRefusals = false
  /** Whether the client has answered our sync step, and so brought all it had. */
  #hasAnswered = false
  #owedAcknowledgements = 0
  /** Whether a new token was asked for, since this one ends soon. */
  #isTokenAsked = false

  constructor(client: ChannelClient, document: OpenDocument, key: string, address: Address, admitted: Admitted) {
    this.document = document
    this.key = key
    this.address = address
    this.#client = client
    this.#principal = admitted.principal
    this.#level = admitted.level
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

  /** Tells the client what it has to know before anything else; `knowsScope` says that it knows what it may do. */
  greet(knowsScope: boolean): void {
    if (this.#client.acknowledges && !knowsScope)
      this.#client.egress.send(scopeFrame(this.address, this.#mayWrite), true)
    const states = this.document.crowd.current()
    if (states !== undefined) this.#client.egress.send(awarenessFrame(this.address, states), true)
    const { notice } = this.document.crowd
    if (notice !== undefined) this.tell(notice)
    if (this.#isTooOldToWrite && this.#client.acknowledges) {
      this.#client.egress.send(statelessFrame(this.address, SCHEMA_TOO_OLD), true)
    }
  }

  /** Goes on with the answer to a client that was given what is stored, with what came since. */
  goOn(early: EarlyAnswer): void {
    const since = early.isWhole ? this.document.shownSince(early.position, this.address) : undefined
    for (const frame of since ?? this.document.wholeAnswer(this.address)) this.#client.egress.send(frame, true)
    if (since !== undefined && !early.isDone)
      this.#client.egress.send(syncFrame(this.address, SyncType.Step2, NO_CHANGE), true)
    this.#client.egress.send(syncFrame(this.address, SyncType.Step1, this.document.stateVector()), true)
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
    if (this.#client.acknowledges) this.#client.egress.send(statelessFrame(this.address, payload))
  }

  send(outgoing: Outgoing): void {
    this.#client.egress.tell(outgoing)
  }

  get isBehind(): boolean {
    return this.#client.egress.isBehind
  }

  countPresence(): void {
    this.#client.presenceRate.take(1)
    if (this.#client.presenceRate.waitMs() === 0) return
    throw new AccessError('presence/too-many', CloseCode.TooMany, 'presence changes too often')
  }

  /** The same user's newer token takes effect from the next message on. */
  renew(principal: Principal, level: Level): void {
    const mightWrite = this.#mayWrite
    // A static one comes back as it was: asking again would not help.
    if (principal.expires !== this.#principal.expires) this.#isTokenAsked = false
    this.#principal = principal
    this.#level = level
    if (this.#mayWrite === mightWrite) return
    if (this.#client.acknowledges) this.#client.egress.send(scopeFrame(this.address, this.#mayWrite), true)
    // What the client wrote meanwhile was not taken.
    if (this.#mayWrite)
      this.#client.egress.send(syncFrame(this.address, SyncType.Step1, this.document.stateVector()), true)
  }

  /** Whether the token has ended; asks for a new one a while before, once. */
  hasExpired(now: number): boolean {
    const { expires } = this.#principal
    if (expires === undefined || now < expires - RENEWAL_MS) return false
    if (now >= expires) return true
    if (!this.#isTokenAsked && this.#client.acknowledges)
      this.#client.egress.send(tokenRequestFrame(this.address), true)
    this.#isTokenAsked = true
    return false
  }

  /** When hasExpired() has something to do next, ms since 1970. */
  get renewalAt(): number {
    const { expires = Number.POSITIVE_INFINITY } = this.#principal
    return this.#isTokenAsked ? expires : expires - RENEWAL_MS
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
        const states = this.document.crowd.current()
        if (states !== undefined) this.#client.egress.send(awarenessFrame(this.address, states), true)
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
    const isTooMany = this.#client.directRate.waitMs() > 0
    const isMuted = this.document.isMuted(this.#principal.user)
    const outcome = isMuted
      ? DIRECT_MUTED
      : isTooMany
        ? TOO_MANY
        : admitDirect(text, this.document.name, this.document.ydoc, this)
    if ('rule' in outcome) {
      this.#client.egress.send(statelessFrame(this.address, encodeDirectRefusal(outcome)), true)
      return
    }
    this.#client.directRate.take(Math.ceil(text.length / 1024))
    this.document.sendDirect(outcome)
  }

  get #mayWrite(): boolean {
    return allows(this.#level, this.document.levelToChange) && !this.#client.isSchemaOld
  }

  /** Whether it is only the schema that keeps the client from writing. */
  get #isTooOldToWrite(): boolean {
    return allows(this.#level, this.document.levelToChange) && this.#client.isSchemaOld
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
    if (isNewcomer(stateVector)) {
      for (const frame of this.document.wholeAnswer(this.address)) this.#client.egress.send(frame, true)
    } else {
      this.#client.egress.send(syncFrame(this.address, SyncType.Step2, this.document.missingFrom(stateVector)), true)
    }
    if (messageType === MessageType.SyncReply) return
    this.#client.egress.send(syncFrame(this.address, SyncType.Step1, this.document.stateVector()), true)
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
    this.#client.egress.traffic.refused(error.code)
    this.#client.egress.send(statelessFrame(this.address, encodeRefusal({ rule: error.code, reason })), true)
    this.#acknowledge(false)
  }

  #finishFirstSync(): void {
    this.#hasAnswered = true
    for (; this.#owedAcknowledgements > 0; this.#owedAcknowledgements -= 1) this.#acknowledge(true)
  }

  #acknowledge(stored: boolean): void {
    if (this.#client.acknowledges) this.#client.egress.acknowledge(syncStatusFrame(this.address, stored))
  }
}

const DIRECT_MUTED = { rule: MUTED, reason: MUTED_REASON }
const TOO_MANY = { rule: 'direct/too-many', reason: 'direct messages come too fast' }

/** Whether a replica with that state vector has nothing yet. */
export function isNewcomer(stateVector: Uint8Array): boolean {
  return stateVector.length === 1 && stateVector[0] === 0
}

/** Whether a change is refused for what the document holds. */
function isRefusal(error: unknown): error is AccessError {
  return error instanceof RefusedError || (error instanceof AccessError && error.closeCode === CloseCode.ClientIdTaken)
}
