import type { Database } from 'better-sqlite3'
import { StorageError } from '../storage-error.ts'
import type { FoundDocument, LaggingPage, NewText, TextClaim, TextSearch } from '../text-index.ts'
import { documentFinder, tombstoneFinder } from './document-table.ts'
import { expressionOf } from './message-search.ts'

/** Documents that one search compares, at most. */
const MAX_RANKED = 20_000

export interface TextTables {
  claim(document: string, forMs: number): TextClaim
  put(text: NewText): void
}

/** What an indexer answers; call each inside a transaction. */
export function textTables(db: Database): TextTables {
  const find = documentFinder(db)
  const findTombstone = tombstoneFinder(db)
  const findState = db
    .prepare<[number], [number, number]>('SELECT position, free_at FROM text_states WHERE document = ?')
    .raw()
  const saveState = db.prepare<[number, number, number]>(
    `INSERT INTO text_states (document, position, free_at) VALUES (?, ?, ?)
     ON CONFLICT (document) DO UPDATE SET position = excluded.position, free_at = excluded.free_at`,
  )
  const isThere = db.prepare<[number, number, number]>(
    'SELECT 1 FROM documents WHERE id = ? AND created_at = ? AND position >= ? AND deleted_at IS NULL',
  )
  const save = db.prepare<[number, string]>(
    `INSERT INTO texts (document, text) VALUES (?, ?) ON CONFLICT (document) DO UPDATE SET text = excluded.text`,
  )
  return {
    claim(document, forMs) {
      const record = find(document)
      if (record === undefined || findTombstone(document, record) !== undefined) return { kind: 'current' }
      const { id, createdAt } = record
      const [position = 0, freeAt = 0] = findState.get(id) ?? []
      if (position >= record.position) return { kind: 'current' }
      const now = Date.now()
      // A clock that was put back must not keep it waiting.
      if (freeAt > now && freeAt <= now + MAX_CLAIM_MS) return { kind: 'wait', ms: freeAt - now }
      saveState.run(id, position, now + forMs)
      return { kind: 'claimed', key: { id, createdAt }, freeForMs: Math.max(0, now - freeAt) }
    },
    put({ key: { id, createdAt }, position, text, restMs }) {
      if (isThere.get(id, createdAt, position) === undefined) return
      const [stored = 0] = findState.get(id) ?? []
      if (stored >= position) return
      save.run(id, Buffer.from(text.buffer, text.byteOffset, text.length).toString())
      saveState.run(id, position, Date.now() + restMs)
    },
  }
}

/** Longer than anybody claims a text, or lets it rest. */
const MAX_CLAIM_MS = 3_600_000

/** Returns a function that finds documents whose text is older than the log; rooms have none. */
export function laggingLister(db: Database): (options: { after: number; limit: number }) => LaggingPage {
  const list = db
    .prepare<[number, number], [number, string]>(
      `SELECT id, name FROM documents LEFT JOIN text_states ON text_states.document = id
       WHERE id > ? AND deleted_at IS NULL AND documents.position > coalesce(text_states.position, 0)
         AND name NOT GLOB 'chat/*' AND name NOT GLOB 'dm/*' AND name NOT GLOB 'inbox/*' AND name NOT GLOB 'lobby/*'
       ORDER BY id LIMIT ?`,
    )
    .raw()
  return ({ after, limit }) => {
    const found = list.all(after, limit)
    return { documents: found.map(([, name]) => name), next: found.length < limit ? undefined : found.at(-1)?.[0] }
  }
}

/** Returns a function that searches the texts of documents, the best first. */
export function textSearcher(db: Database): (search: TextSearch & { query: string }) => FoundDocument[] {
  // In SQLite's measure of how well a row fits, less is better.
  const select = db
    .prepare<[string, string, number, number, number], unknown[]>(
      `SELECT * FROM (
         SELECT documents.id AS id, texts_words.rank AS score, name, text_states.position, updated_at
         FROM texts_words
         JOIN documents ON documents.id = texts_words.rowid
         JOIN text_states ON text_states.document = documents.id
         WHERE texts_words MATCH ? AND deleted_at IS NULL
           AND EXISTS (SELECT 1 FROM json_each(?) WHERE substr(name, 1, length(value)) = value)
         LIMIT ${MAX_RANKED}
       ) WHERE (score, id) > (?, ?) ORDER BY score, id LIMIT ?`,
    )
    .raw()
  return ({ query, prefixes, before, limit }) => {
    const expression = expressionOf(query)
    if (expression === undefined) return []
    const { score = Number.NEGATIVE_INFINITY, id = 0 } = before ?? {}
    return select.all(expression, JSON.stringify(prefixes), score, id, limit).map(toFound)
  }
}

/** Returns a function that reads texts, in the order of the documents' ids that it is given. */
export function textReader(db: Database): (ids: readonly number[]) => Uint8Array[] {
  const select = db.prepare<[number], Uint8Array>('SELECT CAST(text AS BLOB) FROM texts WHERE document = ?').pluck()
  return (ids) => ids.map((id) => select.get(id) ?? new Uint8Array(0))
}

function toFound([id, score, name, position, updatedAt]: readonly unknown[]): FoundDocument {
  if (
    typeof id === 'number' &&
    typeof score === 'number' &&
    typeof name === 'string' &&
    typeof position === 'number' &&
    typeof updatedAt === 'number'
  ) {
    return { id, score, name, position, updatedAt }
  }
  throw new StorageError('storage/corrupt', `a text that was found is of no document`)
}
