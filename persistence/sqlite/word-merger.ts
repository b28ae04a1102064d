import type { Database } from 'better-sqlite3'

/** Pages of an index of words that one transaction writes anew. */
const STEP_PAGES = 100

export type WordIndex = 'messages_text' | 'texts_words'

/**
 * Returns a function that writes some of an index of words anew, which otherwise keeps what was deleted for a while. It
 * tells whether there is more; call it inside a transaction, until there isn't.
 */
export function wordMerger(db: Database, index: WordIndex): () => boolean {
  const merge = db.prepare<[number]>(`INSERT INTO ${index} (${index}, rank) VALUES ('merge', ?)`)
  const changes = db.prepare<[], number>('SELECT total_changes()').pluck()
  // A negative number makes all of it due.
  let pages = -STEP_PAGES
  let isDone = false
  return () => {
    if (isDone) return false
    const before = changes.get() ?? 0
    merge.run(pages)
    pages = STEP_PAGES
    isDone = (changes.get() ?? 0) - before < 2
    return !isDone
  }
}
