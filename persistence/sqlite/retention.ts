import { openForWriting } from './database.ts'
import { Forgetter } from './forgetter.ts'
import { Packer } from './packer.ts'
import { packText } from './plain-replies.ts'
import { type Role, unexpectedRequest, type WorkerSettings } from './protocol.ts'
import { toStorageError } from './sqlite-errors.ts'

/** The thread that makes old history small, and end. It is asked for one document at a time. */
export function openRetention(settings: WorkerSettings): Role {
  const { db } = openForWriting(settings)
  // As for snapshots; what must be on disk is synced by itself.
  db.pragma('synchronous = NORMAL')
  const forgetter = new Forgetter(db, settings.keys)
  const packer = new Packer(db, settings.keys)
  return {
    async handle(request) {
      if (request.kind !== 'forget' && request.kind !== 'pack') return unexpectedRequest('retention', request)
      const { document, until } = request
      try {
        const done =
          request.kind === 'forget'
            ? await forgetter.run(document, until)
            : await packer.run(document, request.after, until)
        return packText(JSON.stringify(done))
      } catch (error) {
        throw toStorageError(error, `${document}: ${request.kind === 'forget' ? 'forgetting' : 'packing'}`)
      }
    },
    close() {
      db.close()
    },
  }
}
