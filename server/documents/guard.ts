import * as Y from 'yjs'
import { CloseCode } from '../../model/close-codes.ts'
import { AccessError } from '../access/access-error.ts'
import type { Level, Principal } from '../access/grants.ts'
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

/**
 * Keeps a document to its rules. Yjs applies whatever arrives and can't take it back, so each update lands on a
 * trial copy first; only what the rules accept there is applied to the document by the caller.
 */
export class Guard {
  readonly #document: Y.Doc
  readonly #rules: DocumentRules
  /** Undefined after a refusal: made anew only when it is needed, since it costs a copy of the document. */
  #trial: Y.Doc | undefined

  constructor(document: Y.Doc, rules: DocumentRules) {
    this.#document = document
    this.#rules = rules
    rules.define(document)
  }

  /** Returns if `author` may make the change, which must then be applied to the document. @throws {RefusedError} */
  admit(update: Uint8Array, author: Author): void {
    this.#trial ??= this.#copy()
    const trial = this.#trial
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
    if (this.#trial !== undefined) Y.applyUpdate(this.#trial, update)
  }

  destroy(): void {
    this.#reset()
  }

  #reset(): void {
    this.#trial?.destroy()
    this.#trial = undefined
  }

  #copy(): Y.Doc {
    const trial = new Y.Doc({ gc: this.#document.gc })
    boundObservedDepth(trial)
    this.#rules.define(trial)
    Y.applyUpdate(trial, Y.encodeStateAsUpdate(this.#document))
    return trial
  }
}

const GAP: Refusal = { rule: 'document/gap', reason: 'the update needs others that are not here; sync first' }
