import { setImmediate } from 'node:timers/promises'
import * as decoding from 'lib0/decoding'
import type { Documents } from '../documents/documents.ts'
import { isNewcomer } from './channel.ts'
import { type Dialect, documentOfKey } from './dialect.ts'
import { EarlyAnswer } from './early-answer.ts'
import type { Egress } from './egress.ts'
import { MessageType, SyncType, scopeFrame } from './frames.ts'
import type { PendingDocuments } from './pending-documents.ts'

export interface EarlyAnswersOptions {
  readonly dialect: Dialect
  readonly egress: Egress
  readonly documents: Pick<Documents, 'arriving'>
  /** What waits for documents that are not open yet. */
  readonly pending: PendingDocuments
}

/** A token that was good. */
interface Admission {
  /** When it came, on the clock of `performance`. */
  readonly since: number
  readonly mayWrite: boolean
}

/**
 * Hands one client that has nothing what is stored of documents, as soon as that is read: building a large one takes much
 * longer. The answer is finished once the document is open, with what has come since.
 */
export class EarlyAnswers {
  readonly #options: EarlyAnswersOptions
  readonly #admissions = new Map<string, Admission>()
  readonly #begun = new Map<string, EarlyAnswer>()

  constructor(options: EarlyAnswersOptions) {
    this.#options = options
  }

  /** A document is being loaded for the client. */
  async loading(key: string, admission: Admission): Promise<void> {
    this.#admissions.set(key, admission)
    // Hocuspocus begins to load the document within this turn.
    await setImmediate()
    await this.asked(key)
  }

  /** Something came for a document that is not open yet. */
  async asked(key: string): Promise<void> {
    const { documents, dialect, egress } = this.#options
    if (!this.#mayBegin(key)) return
    const name = documentOfKey(key)
    const stored = await documents.arriving(name)
    const admission = this.#admissions.get(key)
    if (stored === undefined || admission === undefined || egress.closed || !this.#mayBegin(key)) return
    this.#options.pending.remove(key, (message) => this.#asksForAll(message))
    const address = key === name && dialect.acknowledges ? stored.address : dialect.addressOf(key)
    const early = new EarlyAnswer(stored, address, egress)
    this.#begun.set(key, early)
    if (dialect.acknowledges) egress.send(scopeFrame(address, admission.mayWrite), true)
    await early.send(admission.since)
  }

  /** The document is open, or denied: nothing more is sent of what is stored. Returns what was begun. */
  take(key: string): EarlyAnswer | undefined {
    const early = this.#begun.get(key)
    early?.end()
    this.#begun.delete(key)
    this.#admissions.delete(key)
    return early
  }

  #mayBegin(key: string): boolean {
    if (!this.#admissions.has(key) || this.#begun.has(key)) return false
    return this.#options.pending.has(key, (message) => this.#asksForAll(message))
  }

  /** Whether a message is the first sync step of a replica that has nothing. */
  #asksForAll(data: Uint8Array): boolean {
    try {
      const { type, decoder } = this.#options.dialect.read(data)
      if (type !== MessageType.Sync || decoding.readVarUint(decoder) !== SyncType.Step1) return false
      return isNewcomer(decoding.readVarUint8Array(decoder))
    } catch {
      return false // it is refused when it is received
    }
  }
}
