import type { Database } from 'better-sqlite3'
import { emptyWal } from './empty-wal.ts'
import { wordMerger } from './word-merger.ts'
import { yielding } from './yielding.ts'

/** Takes what was deleted from chats out of where SQLite keeps it for a while. */
export async function sweep(db: Database): Promise<void> {
  const mergeWords = db.transaction(wordMerger(db, 'messages_text'))
  while (await yielding(() => mergeWords.immediate()));
  await emptyWal(db)
}
