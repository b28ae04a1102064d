import * as Y from 'yjs'
import { newStructs } from '../../server/documents/transaction-structs.ts'
import { type Edit, Tokens } from '../client/tokens.ts'

/** One edit, and what anybody was told about it. */
export interface Entry extends Edit {
  readonly document: string
  readonly writer: string
  /** Whoever wrote it never sends it again once its connection is gone. */
  readonly isFleeting: boolean
  isAcknowledged: boolean
  seenBy: string | undefined
}

/** What is wrong with a document, a line for each token. */
export interface Losses {
  acknowledged: string[]
  seen: string[]
  /** Written by somebody who still has it. */
  kept: string[]
  /** There more than once, there though its deletion was acknowledged, or nobody's. */
  wrong: string[]
}

/** All that was written into documents, each edit with a token of its own; who was told that it is stored, or saw it. */
export class Ledger {
  readonly tokens = new Tokens()
  readonly #added = new Map<string, Entry>()
  readonly #deletions = new Map<string, Entry[]>()

  get counts(): { edits: number; acknowledged: number; seen: number } {
    const all = [...this.#added.values(), ...[...this.#deletions.values()].flat()]
    return {
      edits: all.length,
      acknowledged: all.filter(({ isAcknowledged }) => isAcknowledged).length,
      seen: all.filter(({ seenBy }) => seenBy !== undefined).length,
    }
  }

  write(edit: Edit, document: string, writer: string, isFleeting = false): Entry {
    const entry: Entry = { ...edit, document, writer, isFleeting, isAcknowledged: false, seenBy: undefined }
    if (edit.kind === 'added') this.#added.set(edit.token, entry)
    else this.#deletions.set(edit.token, [...(this.#deletions.get(edit.token) ?? []), entry])
    return entry
  }

  /** Notes what others wrote, whenever `ydoc` gets it. */
  watch(ydoc: Y.Doc, reader: string): void {
    ydoc.on('afterTransaction', (transaction: Y.Transaction) => {
      if (transaction.local) return
      for (const token of tokensOf(transaction)) {
        const entry = this.#added.get(token)
        if (entry !== undefined && entry.writer !== reader) entry.seenBy ??= reader
      }
    })
  }

  /** What was acknowledged, or seen by others than its writer, by now. */
  promised(document: string): readonly Entry[] {
    return this.#in(document).filter(({ isAcknowledged, seenBy }) => isAcknowledged || seenBy !== undefined)
  }

  /** What of `promised` is missing among the `found` tokens of a document, and was deleted by nobody. */
  lost(promised: readonly Entry[], found: readonly string[]): Losses {
    const losses: Losses = { acknowledged: [], seen: [], kept: [], wrong: [] }
    const there = new Set(found)
    for (const entry of promised) {
      if (there.has(entry.token) || this.#deletions.has(entry.token)) continue
      if (entry.isAcknowledged) losses.acknowledged.push(`${describe(entry)} is lost`)
      if (entry.seenBy !== undefined) losses.seen.push(`${describe(entry)} is lost`)
      if (!entry.isFleeting) losses.kept.push(`${describe(entry)} is lost`)
    }
    return losses
  }

  /** All that is wrong with the tokens of a document, sorted, once everybody has brought what they still have. */
  judge(document: string, found: readonly string[]): Losses {
    const losses = this.lost(this.#in(document), found)
    for (const [index, token] of found.entries()) {
      const entry = this.#added.get(token)
      const deletion = this.#deletions
        .get(token)
        ?.find(({ isAcknowledged, isFleeting }) => isAcknowledged || !isFleeting)
      if (entry?.document !== document) losses.wrong.push(`${document}: nobody wrote ${shown(token)}`)
      else if (found[index - 1] === token) losses.wrong.push(`${describe(entry)} is there more than once`)
      else if (deletion !== undefined) losses.wrong.push(`${describe(entry)} is there, and was ${describe(deletion)}`)
    }
    return losses
  }

  /** Who wrote a token, and who knows of it. */
  describe(token: string): string {
    const entry = this.#added.get(token)
    return entry === undefined ? `${shown(token)} of nobody` : describe(entry)
  }

  #in(document: string): Entry[] {
    return [...this.#added.values()].filter((entry) => entry.document === document)
  }
}

function describe({ document, kind, token, writer, isAcknowledged, seenBy }: Entry): string {
  const told = [
    ...(isAcknowledged ? ['acknowledged'] : ['not acknowledged']),
    ...(seenBy === undefined ? [] : [`seen by ${seenBy}`]),
  ]
  return `${document}: ${shown(token)}, ${kind} by ${writer} (${told.join(', ')})`
}

/** Private characters show as nothing. */
function shown(token: string): string {
  return `U+${token.codePointAt(0)?.toString(16)}`
}

/** The tokens in what a transaction brought: characters of texts, and keys of maps. */
function tokensOf(transaction: Y.Transaction): string[] {
  const items = newStructs(transaction).filter((struct) => struct instanceof Y.Item)
  return items.flatMap(({ content, parentSub }) => [
    ...(content instanceof Y.ContentString ? content.str : []),
    ...(parentSub === null ? [] : [parentSub]),
  ])
}
