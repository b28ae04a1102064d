import * as Y from 'yjs'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { checkUpdate } from '../documents/check-update.ts'
import { isSame, printOf } from './same-document.ts'

export interface ImportDocumentOptions {
  /** Undefined where there is none yet, and nothing is to be written. */
  readonly log: UpdateLog | undefined
  readonly author: string
  readonly maxBytes: number
  /** Whether it may be merged with a document that has nothing in common with it. */
  readonly merge: boolean
  readonly dryRun: boolean
}

export type Imported = ImportedDocument | NotImported

interface ImportedDocument {
  /** `empty` where there is nothing to import. */
  readonly outcome: 'imported' | 'merged' | 'unchanged' | 'empty'
  /** Of the encoded state here. */
  readonly bytes: number
  /** Whether it holds edits that can't be shown, since they build on others that the source does not have. */
  readonly hasGap: boolean
}

export interface NotImported {
  readonly outcome: 'not-imported'
  readonly code: 'damaged' | 'deleted' | 'too-big' | 'unrelated' | 'differs'
  readonly problem: string
}

/**
 * Merges the updates of a document from elsewhere into the document `name`, and looks whether it is there: it is loaded
 * again, and must be what both make together. Where the log has everything already, nothing is written.
 *
 * The Yjs client ids in it belong to nobody: whoever goes on writing with one first owns it from then on, as with a new
 * one. To give them to somebody would lock out those who come back with what they wrote meanwhile.
 * @throws {StorageError}
 */
export async function importDocument(
  name: string,
  updates: readonly Uint8Array[],
  options: ImportDocumentOptions,
): Promise<Imported> {
  const { log, author, maxBytes, merge, dryRun } = options
  const stored = await log?.load(name)
  if (stored?.deleted !== undefined) return notImported('deleted', 'the document was deleted here')
  const source = new Y.Doc()
  // One replica for both where there is none here yet: a large document takes many times its bytes.
  const target = stored === undefined || stored.position === 0 ? source : new Y.Doc()
  try {
    const problem = fill(source, updates)
    if (problem !== undefined) return notImported('damaged', problem)
    const hasGap = source.store.pendingStructs !== null || source.store.pendingDs !== null
    if (isEmpty(source)) return { outcome: 'empty', bytes: 0, hasGap }
    if ([...source.store.clients.keys()].some((client) => stored?.retired.has(client)))
      return notImported('unrelated', 'the document was reset here, and what comes is of before')
    if (target !== source) apply(target, stored?.parts ?? [])
    const isNew = target === source || isEmpty(target)
    if (!isNew && !merge && !haveCommonClient(source, target)) {
      return notImported('unrelated', 'another document of that name is here: they would be mixed (--merge does that)')
    }
    const before = isNew ? undefined : printOf(target)
    const news = target === source ? Y.encodeStateAsUpdate(source) : mergeInto(target, source)
    const expected = printOf(target)
    const bytes = before === undefined ? news.length : Y.encodeStateAsUpdate(target).length
    if (before !== undefined && isSame(before, expected)) return { outcome: 'unchanged', bytes, hasGap }
    if (bytes > maxBytes) return notImported('too-big', `it would have ${bytes} bytes, more than MAX_DOCUMENT_BYTES`)
    const done = { outcome: isNew ? ('imported' as const) : ('merged' as const), bytes, hasGap }
    if (dryRun || log === undefined) return done
    const row = { document: name, at: Date.now(), author, data: news, clients: [], epoch: stored?.epoch ?? 0 }
    const [position = 0] = await log.append([row])
    if (position === 0) return notImported('deleted', 'the document was deleted here')
    const copy = await log.load(name)
    return has(copy.parts, target, copy.position === position)
      ? done
      : notImported('differs', 'it is not the same here')
  } finally {
    source.destroy()
    target.destroy()
  }
}

/** Applies updates that others made. Returns what is wrong with them. */
function fill(ydoc: Y.Doc, updates: readonly Uint8Array[]): string | undefined {
  try {
    for (const update of updates) checkUpdate(update)
    apply(ydoc, updates)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Whether `parts` make `expected`; or, where somebody has written since, at least that. */
function has(parts: readonly Uint8Array[], expected: Y.Doc, isExact: boolean): boolean {
  const copy = new Y.Doc()
  try {
    apply(copy, parts)
    if (!isExact) return Y.snapshotContainsUpdate(Y.snapshot(copy), Y.encodeStateAsUpdate(expected))
    return isSame(printOf(copy), printOf(expected))
  } finally {
    copy.destroy()
  }
}

function apply(ydoc: Y.Doc, updates: readonly Uint8Array[]): void {
  ydoc.transact(() => {
    for (const update of updates) Y.applyUpdate(ydoc, update)
  })
}

/** Returns what `ydoc` had not. */
function mergeInto(ydoc: Y.Doc, source: Y.Doc): Uint8Array {
  const news = Y.encodeStateAsUpdate(source, Y.encodeStateVector(ydoc))
  Y.applyUpdate(ydoc, news)
  return news
}

function isEmpty({ store }: Y.Doc): boolean {
  return store.clients.size === 0 && store.pendingStructs === null && store.pendingDs === null
}

function haveCommonClient(one: Y.Doc, other: Y.Doc): boolean {
  return [...one.store.clients.keys()].some((client) => other.store.clients.has(client))
}

function notImported(code: NotImported['code'], problem: string): NotImported {
  return { outcome: 'not-imported', code, problem }
}
