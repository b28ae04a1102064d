import type { Database } from 'better-sqlite3'
import type { ArchivedMessage } from '../update-log.ts'
import { unpackBatch } from './batch.ts'
import { clientClaimer } from './client-table.ts'
import { openForWriting } from './database.ts'
import { DocumentCache } from './document-cache.ts'
import { messageWriter } from './message-table.ts'
import { placeGuard } from './place-guard.ts'
import { nothing, type Role, unexpectedRequest, type WorkerSettings } from './protocol.ts'
import { packAppendReply, unpackMessages } from './replies.ts'
import { toStorageError } from './sqlite-errors.ts'
import { rowInserter } from './update-table.ts'

/** The thread that appends: one transaction and one fsync a batch. */
export function openWriter(settings: WorkerSettings): Role {
  const { db } = openForWriting(settings)
  const append = appender(db, settings)
  const restore = restorer(db, settings)
  return {
    handle(request) {
      if (request.kind === 'append') return append(unpackBatch(request.batch))
      if (request.kind === 'restore') return restore(unpackMessages(request.messages))
      return unexpectedRequest('writer', request)
    },
    close() {
      db.close()
    },
  }
}

/** Stores messages that come without updates. */
function restorer(
  db: Database,
  settings: WorkerSettings,
): (messages: readonly ArchivedMessage[]) => Uint8Array<ArrayBuffer> {
  const writeMessage = messageWriter(db, settings.keys)
  const restore = db.transaction((messages: readonly ArchivedMessage[]) => messages.forEach(writeMessage))
  const inPlace = placeGuard(settings.file)
  return (messages) => {
    try {
      restore.immediate(messages)
    } catch (error) {
      throw toStorageError(error, `${settings.file}: storing messages`)
    }
    inPlace()
    return nothing()
  }
}

function appender(
  db: Database,
  settings: WorkerSettings,
): (batch: ReturnType<typeof unpackBatch>) => Uint8Array<ArrayBuffer> {
  const begin = db.prepare('BEGIN IMMEDIATE')
  const commit = db.prepare('COMMIT')
  const beat = db.prepare(
    `INSERT INTO meta (key, value) VALUES ('heartbeat', 1) ON CONFLICT (key) DO UPDATE SET value = value + 1`,
  )
  const insertRow = rowInserter(db, settings.keys)
  const claimClient = clientClaimer(db)
  const writeMessage = messageWriter(db, settings.keys)
  const documents = new DocumentCache(db)
  const inPlace = placeGuard(settings.file)

  return (batch) => {
    const positions: number[] = []
    const touched = new Set<string>()
    try {
      begin.run()
      documents.refresh()
      for (const update of batch) {
        const document = documents.count(update.document, update.at, update.data.length)
        insertRow(document, { ...update, position: document.position })
        for (const client of update.clients) {
          const claim = { client, user: update.author, position: document.position }
          if (claimClient(document, claim)) documents.countClient(update.document)
        }
        for (const message of update.messages) writeMessage(message)
        positions.push(document.position)
        touched.add(update.document)
      }
      for (const name of touched) documents.save(name)
      if (batch.length === 0) beat.run()
      commit.run()
    } catch (error) {
      // The transaction ends with its connection, which is closed after every error; see worker.ts.
      throw toStorageError(error, `${settings.file}: appending`)
    }
    inPlace()
    return packAppendReply({ positions, due: [...touched].filter((name) => documents.isDue(name)) })
  }
}
