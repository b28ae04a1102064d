import type * as Y from 'yjs'
import type { Level } from '../access/grants.ts'
import { type Change, describeChange, type RootType } from './change.ts'
import type { Author, DocumentRules, Refusal } from './guard.ts'

/** Who writes. */
export interface Writer {
  readonly user: string
  readonly name: string
  readonly level: Level
}

/** Why a change is refused: words for its writer; or with a code of the product's own, such as `tasks/too-many`. */
export type RuleRefusal = string | Refusal

/** What a product allows in a document. */
export interface Rules {
  /** The root types that the document may have, and what each is. */
  readonly roots: Readonly<Record<string, RootType>>
  /** Called for each thing that an update does, before anybody sees any of it. Must be quick, and always say the same. */
  readonly check: (change: Change, writer: Writer) => RuleRefusal | undefined
}

/** A product's rules as a guard of its documents. */
export class ProductRules implements DocumentRules {
  readonly #rules: Rules
  readonly #onProblem: (error: unknown) => void

  constructor(rules: Rules, onProblem: (error: unknown) => void) {
    this.#rules = rules
    this.#onProblem = onProblem
  }

  define(document: Y.Doc): void {
    for (const [name, type] of Object.entries(this.#rules.roots)) define[type](document, name)
  }

  check(transaction: Y.Transaction, _before: Y.Doc, { principal, level }: Author): Refusal | undefined {
    const changes = describeChange(transaction)
    if ('problem' in changes) return { rule: 'rules/hidden', reason: changes.problem }
    const writer = { user: principal.user, name: principal.name, level }
    for (const change of changes) {
      const refusal = this.#judge(change, writer)
      if (refusal !== undefined) return refusal
    }
    return undefined
  }

  #judge(change: Change, writer: Writer): Refusal | undefined {
    const [root = ''] = change.path
    if (!Object.hasOwn(this.#rules.roots, root)) {
      return { rule: 'rules/unknown-root', reason: `the document has no "${root}"` }
    }
    try {
      const refusal = this.#rules.check(change, writer)
      return typeof refusal === 'string' ? { rule: 'rules/refused', reason: refusal } : refusal
    } catch (error) {
      this.#onProblem(error)
      return { rule: 'rules/failed', reason: 'whether this is allowed is not known' }
    }
  }
}

const define: Readonly<Record<RootType, (document: Y.Doc, name: string) => unknown>> = {
  array: (document, name) => document.getArray(name),
  map: (document, name) => document.getMap(name),
  text: (document, name) => document.getText(name),
  xml: (document, name) => document.getXmlFragment(name),
}
