import { openForWriting } from './database.ts'
import { Forgetter } from './forgetter.ts'
import { type Role, unexpectedRequest, type WorkerSettings } from './protocol.ts'
import { packText } from './replies.ts'
import { toStorageError } from './sqlite-errors.ts'

/** The thread that makes old history end. It is asked for one document at a time. */
export function openRetention(settings: WorkerSettings): Role {
  const { db } = openForWriting(settings)
  // As for snapshots; what must be on disk is synced by itself.
  db.pragma('synchronous = NORMAL')
  const forgetter = new Forgetter(db, settings.keys)
  return {
    async handle(request) {
      if (request.kind !== 'forget') return unexpectedRequest('retention', request)
      try {
        return packText(JSON.stringify(await forgetter.run(request.document, request.until)))
      } catch (error) {
        throw toStorageError(error, `${request.document}: forgetting`)
      }
    },
    close() {
      db.close()
    },
  }
}
