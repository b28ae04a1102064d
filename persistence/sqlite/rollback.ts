import type { Database } from 'better-sqlite3'

/**
 * Ends a failed transaction. SQLite may have rolled it back already, and the rollback may fail as well, on a disk that
 * takes no writes: the connection is closed after every error (see worker.ts), which ends the transaction for certain.
 */
export function rollback(db: Database): void {
  try {
    if (db.inTransaction) db.exec('ROLLBACK')
  } catch {
    // The error that led here says more than this one.
  }
}
