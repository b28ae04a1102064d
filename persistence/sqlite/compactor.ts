import { buildSnapshot } from '../snapshot-builder.ts'
import { openForWriting } from './database.ts'
import { documentLoader, readSource } from './document-loader.ts'
import { packPosition } from './plain-replies.ts'
import { type Role, unexpectedRequest, type WorkerSettings } from './protocol.ts'
import { SnapshotWriter } from './snapshot-writer.ts'
import { toStorageError } from './sqlite-errors.ts'

/** The thread that makes snapshots. It is asked for one at a time. */
export function openCompactor(settings: WorkerSettings): Role {
  const { db } = openForWriting(settings)
  // A snapshot that a power cut takes back is made again, and the writer's next commit syncs the same file. With a sync
  // for each of its transactions it would keep the lock that everybody's edits wait for.
  db.pragma('synchronous = NORMAL')
  const load = documentLoader(db, settings.keys)
  const snapshots = new SnapshotWriter(db, settings.keys)
  let cleaned = false

  async function compact(name: string): Promise<number> {
    if (!cleaned) await snapshots.deleteLeftovers() // what a killed process has left
    cleaned = true
    const found = load(name, (document) => {
      if (document === undefined) return undefined
      const current = document.snapshot.position === document.record.position
      return { record: document.record, source: current ? undefined : readSource(document) }
    })
    if (found === undefined) return 0
    if (found.source !== undefined) await snapshots.write(found.record, buildSnapshot(found.source))
    return found.record.position
  }

  /** As compact(), also where the snapshot is current. 0 when another process was faster. */
  async function scrub(name: string, user: string): Promise<number> {
    const found = load(name, (document) => document && { record: document.record, source: readSource(document) })
    if (found === undefined || found.record.position === 0) return 0
    const isWritten = await snapshots.write(found.record, buildSnapshot(found.source, user), true)
    return isWritten ? found.record.position : 0
  }

  return {
    async handle(request) {
      if (request.kind !== 'compact' && request.kind !== 'scrub') return unexpectedRequest('compactor', request)
      try {
        if (request.kind === 'scrub') return packPosition(await scrub(request.document, request.user))
        return packPosition(await compact(request.document))
      } catch (error) {
        throw toStorageError(error, `${request.document}: compacting`)
      }
    },
    close() {
      db.close()
    },
  }
}
