import * as Y from 'yjs'
import type { UpdateLog } from './update-log.ts'

/** What the log holds of one document: sizes and names, never its text. */
export interface DocumentDescription {
  readonly name: string
  readonly position: number
  /** Those that are kept; up to the position `forgotten` they are not. */
  readonly rows: number
  readonly forgotten: number
  /** Bytes of all rows together. */
  readonly bytes: number
  readonly firstAt: Date | undefined
  readonly lastAt: Date | undefined
  /** The newest snapshot; undefined when there is none. */
  readonly snapshot: { readonly position: number; readonly bytes: number } | undefined
  /** Rows and bytes behind the snapshot, which loading reads one by one. */
  readonly tail: { readonly rows: number; readonly bytes: number }
  /** How many rows each user has written; '' is the server. */
  readonly authors: Readonly<Record<string, number>>
  /** The user that each Yjs client id belongs to. */
  readonly clients: Readonly<Record<string, string>>
  /** The top-level Yjs types. `length` counts what is in sequence (text, array, fragment), `keys` what has a key. */
  readonly types: readonly { readonly name: string; readonly length: number; readonly keys: number }[]
  /** When and by whom it was deleted: then nothing else is shown of it. */
  readonly deleted: { readonly at: Date; readonly by: string; readonly erased: boolean } | undefined
  /** Whether updates wait for others that never came. */
  readonly pending: boolean
}

/** Reads the whole document, rows behind the snapshot too. @throws {StorageError} as UpdateLog.load() */
export async function describeDocument(log: UpdateLog, name: string): Promise<DocumentDescription> {
  const stored = await log.load(name)
  const { position: forgotten } = await log.retention.historyStart(name)
  const snapshot = stored.snapshot > 0 ? { position: stored.snapshot, bytes: stored.parts[0]?.length ?? 0 } : undefined
  const updates = snapshot === undefined ? stored.parts : stored.parts.slice(1)

  let rows = 0
  let bytes = 0
  let firstAt: number | undefined
  let lastAt: number | undefined
  const authors = new Map<string, number>()
  for await (const row of log.read(name, forgotten, stored.position)) {
    rows++
    bytes += row.data.length
    firstAt ??= row.at
    lastAt = row.at
    authors.set(row.author, (authors.get(row.author) ?? 0) + 1)
  }

  const doc = new Y.Doc()
  doc.transact(() => {
    for (const part of stored.parts) Y.applyUpdate(doc, part)
  })
  const types = [...doc.share].map(([type, { _length, _map }]) => ({
    name: type,
    length: _length,
    keys: [..._map.values()].filter((item) => item !== null && !item.deleted).length,
  }))
  const pending = doc.store.pendingStructs !== null || doc.store.pendingDs !== null
  doc.destroy()

  return {
    name,
    position: stored.position,
    rows,
    forgotten,
    bytes,
    firstAt: firstAt === undefined ? undefined : new Date(firstAt),
    lastAt: lastAt === undefined ? undefined : new Date(lastAt),
    snapshot,
    tail: { rows: updates.length, bytes: updates.reduce((sum, update) => sum + update.length, 0) },
    authors: Object.fromEntries(authors),
    clients: Object.fromEntries(stored.clients),
    types,
    deleted: stored.deleted && {
      at: new Date(stored.deleted.at),
      by: stored.deleted.by,
      erased: stored.deleted.isErased,
    },
    pending,
  }
}
