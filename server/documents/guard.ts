import * as Y from 'yjs'
import { CloseCode } from '../../model/close-codes.ts'
import { AccessError } from '../access/access-error.ts'
import type { Level, Principal } from '../access/grants.ts'
import type { DecodedUpdate } from './check-update.ts'
import { boundObservedDepth } from './observed-depth.ts'

/** Who changes a guarded document, and with what right. */
export interface Author {
  readonly principal: Principal
  readonly level: Level
}

/** Why a change is refused. */
export interface Refusal {
  /** Which rule, such as `chat/foreign-author`: stable, for programs. */
  readonly rule: string
  /** For people: what the rule wants. */
  readonly reason: string
}

/**
 * The rules of one kind of document. `transaction` has happened on the trial copy, `before` is the document as it was;
 * the first rule broken is returned.
 */
export interface DocumentRules {
  /** Gives the root types their kinds, so that a client can't choose others. */
  define(document: Y.Doc): void
  /**
   * Judges an update that says by itself all that it would do to `document`; undefined for any other, which is tried.
   * For what comes often: trying costs as much again as the change, and the memory of a second document.
   */
  read?(update: DecodedUpdate, document: Y.Doc, author: Author): Refusal | 'accepted' | undefined
  check(transaction: Y.Transaction, before: Y.Doc, author: Author): Refusal | undefined
}

/** A refused change. `gap` tells that it lacked something before it, which its sender may still bring. */
export class RefusedError extends AccessError {
  override readonly name = 'RefusedError'
  readonly reason: string
  readonly gap: boolean

  constructor({ rule, reason }: Refusal, gap = false, options?: ErrorOptions) {
    super(rule, CloseCode.Forbidden, `${rule}: ${reason}`, options)
    this.reason = reason
    this.gap = gap
  }
}

/** More changes than this are not made up for: a copy of the whole document costs less. */
const MAX_BEHIND = 200

/**
 * Keeps a document to its rules. Yjs applies whatever arrives and can't take it back, so each update whose effect can't
 * be told from its structs alone lands on a trial copy first; only what the rules accept is applied to the document by
 * the caller.
 */
export class Guard {
  readonly #document: Y.Doc
  readonly #rules: DocumentRules
  /** Undefined after a refusal: made anew only when it is needed, since it costs a copy of the document. */
  #trial: Y.Doc | undefined
  /** What the document has and the trial copy lacks. */
  #behind: Uint8Array[] = []

  constructor(document: Y.Doc, rules: DocumentRules) {
    this.#document = document
    this.#rules = rules
    rules.define(document)
  }

  /** Returns if `author` may make the change, which must then be applied to the document. @throws {RefusedError} */
  admit(update: Uint8Array, decoded: DecodedUpdate, author: Author): void {
    const verdict = this.#rules.read?.(decoded, this.#document, author)
    if (verdict === undefined) this.#try(update, author)
    else if (verdict === 'accepted') this.mirror(update)
    else throw new RefusedError(verdict)
  }

  #try(update: Uint8Array, author: Author): void {
    const trial = this.#currentTrial()
    let refusal: Refusal | undefined
    const judge = (transaction: Y.Transaction) => {
      refusal ??= this.#rules.check(transaction, this.#document, author)
    }
    trial.on('afterTransaction', judge)
    try {
      Y.applyUpdate(trial, update)
    } catch (cause) {
      this.#reset()
      throw new RefusedError({ rule: 'document/malformed-update', reason: 'the update can not be applied' }, false, {
        cause,
      })
    }
    trial.off('afterTransaction', judge)
    const waits = trial.store.pendingStructs !== null || trial.store.pendingDs !== null
    if (refusal === undefined && !waits) return
    this.#reset()
    throw waits ? new RefusedError(GAP, true) : new RefusedError(refusal ?? GAP)
  }

  /** Takes a change that the server itself made to the document. */
  mirror(update: Uint8Array): void {
    if (this.#trial === undefined) return
    this.#behind.push(update)
    if (this.#behind.length > MAX_BEHIND) this.#reset()
  }

  destroy(): void {
    this.#reset()
  }

  #reset(): void {
    this.#trial?.destroy()
    this.#trial = undefined
    this.#behind = []
  }

  #currentTrial(): Y.Doc {
    this.#trial ??= this.#copy()
    const trial = this.#trial
    const missing = this.#behind
    this.#behind = []
    trial.transact(() => {
      for (const update of missing) Y.applyUpdate(trial, update)
    })
    return trial
  }

  #copy(): Y.Doc {
    const trial = new Y.Doc({ gc: this.#document.gc })
    boundObservedDepth(trial)
    this.#rules.define(trial)
    Y.applyUpdate(trial, Y.encodeStateAsUpdate(this.#document))
    return trial
  }
}

/** Of an update that needs others which have not come. */
export const GAP: Refusal = { rule: 'document/gap', reason: 'the update needs others that are not here; sync first' }
