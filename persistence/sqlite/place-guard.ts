import { statSync } from 'node:fs'
import { StorageError } from '../storage-error.ts'

/**
 * Returns a function that throws once the database's files are no longer those that were opened. Who moves or deletes
 * them under a running server would otherwise have everything after that acknowledged, and written to files that
 * vanish when they are closed.
 */
export function placeGuard(file: string): () => void {
  const files = [file, `${file}-wal`]
  const opened = files.map(fileId)
  return () => {
    files.forEach((path, index) => {
      if (fileId(path) === opened[index]) return
      throw new StorageError(
        'storage/unavailable',
        `${path} was moved, replaced or deleted while in use. Stop the server, put the files back or restore a backup`,
      )
    })
  }
}

// stat and not open: see openForWriting().
function fileId(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false })
  return stats === undefined ? 'none' : `${stats.dev}:${stats.ino}`
}
