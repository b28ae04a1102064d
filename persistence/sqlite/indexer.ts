import { openForWriting } from './database.ts'
import { placeGuard } from './place-guard.ts'
import { packText } from './plain-replies.ts'
import { type Role, unexpectedRequest, type WorkerSettings } from './protocol.ts'
import { toStorageError } from './sqlite-errors.ts'
import { rebuildTexts } from './text-rebuilder.ts'
import { textTables } from './text-table.ts'

/** The thread that stores the texts of documents, with a connection of its own, since a long text takes a while. */
export function openIndexer(settings: WorkerSettings): Role {
  const { db } = openForWriting(settings)
  // What a power cut takes back is made again.
  db.pragma('synchronous = NORMAL')
  const tables = textTables(db)
  const claim = db.transaction(tables.claim)
  const put = db.transaction(tables.put)
  const rebuild = db.transaction(() => rebuildTexts(db))
  const inPlace = placeGuard(settings.file)
  return {
    handle(request) {
      try {
        if (request.kind === 'claim-text') {
          const claimed = claim.immediate(request.document, request.forMs)
          inPlace()
          return packText(JSON.stringify(claimed))
        }
        if (request.kind === 'put-text') {
          put.immediate(request.text)
          inPlace()
          return packText('')
        }
        if (request.kind === 'rebuild-texts') {
          const messages = rebuild.immediate()
          inPlace()
          return packText(JSON.stringify(messages))
        }
      } catch (error) {
        throw toStorageError(error, `${'document' in request ? request.document : settings.file}: indexing`)
      }
      return unexpectedRequest('indexer', request)
    },
    close() {
      db.close()
    },
  }
}
