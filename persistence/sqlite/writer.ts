import type { Database } from 'better-sqlite3'
import { joinEvents, type NewEvent } from '../event-store.ts'
import type { ArchivedMessage } from '../message-store.ts'
import { type AdminCall, adminTables } from './admin-table.ts'
import { baseRestorer } from './base-restorer.ts'
import { type UnpackedUpdate, unpackBatch } from './batch.ts'
import { changeNoter, untoldRestorer } from './change-table.ts'
import { clientClaimer } from './client-table.ts'
import { openForWriting } from './database.ts'
import { type DeletingRequest, deleter } from './deleter.ts'
import { DocumentCache } from './document-cache.ts'
import { type EventCall, eventRestorer, eventTables, eventWriter } from './event-table.ts'
import { unpackMessages } from './message-replies.ts'
import { expectationCheck, MessageWriter } from './message-table.ts'
import { erasureWriter } from './people-table.ts'
import { placeGuard } from './place-guard.ts'
import { packFlag, packText } from './plain-replies.ts'
import { nothing, type Request, type Role, unexpectedRequest, type WorkerSettings } from './protocol.ts'
import { type PushCall, pushTables, pushWriter } from './push-table.ts'
import { packAppendReply } from './replies.ts'
import { seenWriter } from './seen-table.ts'
import { toStorageError } from './sqlite-errors.ts'
import { rowInserter } from './update-table.ts'
import { versionWriter } from './version-table.ts'
import { deliveryRestorer, type WebhookCall, webhookTables } from './webhook-table.ts'

/** The thread that appends: one transaction and one fsync a batch. */
export function openWriter(settings: WorkerSettings): Role {
  const { db } = openForWriting(settings)
  const documents = new DocumentCache(db)
  const append = appender(db, settings, documents)
  const change = deleting(db, settings, documents)
  const restore = restorer(db, settings)
  const push = pusher(db, settings)
  const event = eventKeeper(db, settings)
  const admin = adminKeeper(db, settings)
  const webhook = webhookKeeper(db, settings)
  const restoreEvents = db.transaction(eventRestorer(db, settings.keys))
  const restoreBase = baseRestorer(db, settings.keys)
  const restoreDeliveries = db.transaction(deliveryRestorer(db))
  const restoreUntold = db.transaction(untoldRestorer(db))
  const saveErasure = erasureWriter(db)
  const inPlace = placeGuard(settings.file)
  const history = historyKeeper(db, settings)
  return {
    handle(request) {
      if (request.kind === 'append') return append(unpackBatch(request.batch))
      if (request.kind === 'restore') return restore(unpackMessages(request.messages))
      if (request.kind === 'push') return push(request.call)
      if (request.kind === 'restore-base') {
        restoreBase(request.restored)
        inPlace()
        return nothing()
      }
      if (request.kind === 'event') return event(request.call)
      if (request.kind === 'admin') return admin(request.call)
      if (request.kind === 'webhook') return webhook(request.call)
      if (request.kind === 'restore-events') {
        restoreEvents.immediate(request.events, request.last)
        inPlace()
        return nothing()
      }
      if (request.kind === 'restore-untold') {
        restoreUntold.immediate(request.changes)
        inPlace()
        return nothing()
      }
      if (request.kind === 'restore-deliveries') {
        restoreDeliveries.immediate(request.deliveries)
        inPlace()
        return nothing()
      }
      if (request.kind === 'delete' || request.kind === 'undelete' || request.kind === 'free') return change(request)
      if (request.kind === 'save-erasure') {
        saveErasure(request.erasure)
        inPlace()
        return nothing()
      }
      return history(request)
    },
    close() {
      db.close()
    },
  }
}

/** Deletes documents and takes that back. */
function deleting(
  db: Database,
  settings: WorkerSettings,
  documents: DocumentCache,
): (request: DeletingRequest) => Uint8Array<ArrayBuffer> {
  const change = deleter(db, settings.keys)
  const inPlace = placeGuard(settings.file)
  return (request) => {
    try {
      const reply = change(request)
      documents.clear()
      inPlace()
      return reply
    } catch (error) {
      throw toStorageError(error, `${request.document}: ${request.kind}`)
    }
  }
}

/** Stores named positions, and up to where users have seen documents. */
function historyKeeper(db: Database, settings: WorkerSettings): (request: Request) => Uint8Array<ArrayBuffer> {
  const versions = versionWriter(db, settings.keys)
  const raiseSeen = seenWriter(db)
  const inPlace = placeGuard(settings.file)
  const write = (request: Request): boolean => {
    if (request.kind === 'add-version') return versions.add(request.document, request.version, request.events)
    if (request.kind === 'rename-version') return versions.rename(request.document, request.id, request.name)
    if (request.kind === 'remove-version') return versions.remove(request.document, request.id)
    if (request.kind === 'raise-seen') return raiseSeen(request.document, request.seen)
    return unexpectedRequest('writer', request)
  }
  return (request) => {
    try {
      const done = write(request)
      inPlace()
      return packFlag(done)
    } catch (error) {
      throw toStorageError(error, `${'document' in request ? request.document : settings.file}: writing`)
    }
  }
}

/** Stores messages that come without updates. */
function restorer(
  db: Database,
  settings: WorkerSettings,
): (messages: readonly ArchivedMessage[]) => Uint8Array<ArrayBuffer> {
  const writer = new MessageWriter(db, settings.keys)
  const restore = db.transaction((messages: readonly ArchivedMessage[]) => {
    for (const message of messages) writer.write(message)
    writer.index()
  })
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

/** Writes subscriptions and pushes; see PushStore. */
function pusher(db: Database, settings: WorkerSettings): (call: PushCall) => Uint8Array<ArrayBuffer> {
  const tables = pushTables(db, settings.keys)
  return inTransaction(db, settings, 'pushes', (call) => {
    if (call.name === 'subscribe') return tables.subscribe(...call.given)
    if (call.name === 'unsubscribe') return tables.unsubscribe(...call.given)
    if (call.name === 'endAll') return tables.endAll(...call.given)
    if (call.name === 'cancel') return tables.cancel(...call.given)
    if (call.name === 'claim') return tables.claim(...call.given)
    if (call.name === 'settle') return tables.settle(...call.given)
    throw new Error(`the writer got the call "${call.name}"`)
  })
}

/** Forgets events, and keeps account of their consumers; see EventStore. */
function eventKeeper(db: Database, settings: WorkerSettings): (call: EventCall) => Uint8Array<ArrayBuffer> {
  const tables = eventTables(db, settings.keys)
  return inTransaction(db, settings, 'events', (call) => {
    if (call.name === 'add') return tables.add(...call.given)
    if (call.name === 'tellChanges') return tables.tellChanges(...call.given)
    if (call.name === 'forget') return tables.forget(...call.given)
    if (call.name === 'remove') return tables.remove(...call.given)
    if (call.name === 'claim') return tables.claim(...call.given)
    if (call.name === 'pass') return tables.pass(...call.given)
    if (call.name === 'release') return tables.release(...call.given)
    throw new Error(`the writer got the call "${call.name}"`)
  })
}

/** Writes down what admins do; see AdminStore. */
function adminKeeper(db: Database, settings: WorkerSettings): (call: AdminCall) => Uint8Array<ArrayBuffer> {
  const tables = adminTables(db)
  return inTransaction(db, settings, "admins' actions", (call) => {
    if (call.name === 'begin') return tables.begin(...call.given)
    if (call.name === 'end') return tables.end(...call.given)
    if (call.name === 'restore') return tables.restore(...call.given)
    if (call.name === 'restrict') return tables.restrict(...call.given)
    throw new Error(`the writer got the call "${call.name}"`)
  })
}

/** Writes webhooks and their deliveries; see WebhookStore. */
function webhookKeeper(db: Database, settings: WorkerSettings): (call: WebhookCall) => Uint8Array<ArrayBuffer> {
  const tables = webhookTables(db, settings.keys)
  return inTransaction(db, settings, 'webhooks', (call) => {
    if (call.name === 'put') return tables.put(...call.given)
    if (call.name === 'remove') return tables.remove(...call.given)
    if (call.name === 'enqueue') return tables.enqueue(...call.given)
    if (call.name === 'claim') return tables.claim(...call.given)
    if (call.name === 'settle') return tables.settle(...call.given)
    if (call.name === 'resend') return tables.resend(...call.given)
    throw new Error(`the writer got the call "${call.name}"`)
  })
}

/** Answers calls with what `run` makes of them, as JSON, each in a transaction of its own. */
function inTransaction<Call>(
  db: Database,
  settings: WorkerSettings,
  what: string,
  run: (call: Call) => unknown,
): (call: Call) => Uint8Array<ArrayBuffer> {
  const transaction = db.transaction(run)
  const inPlace = placeGuard(settings.file)
  return (call) => {
    let answer: unknown
    try {
      answer = transaction.immediate(call)
    } catch (error) {
      throw toStorageError(error, `${settings.file}: ${what}`)
    }
    inPlace()
    return packText(JSON.stringify(answer ?? null))
  }
}

function appender(
  db: Database,
  settings: WorkerSettings,
  documents: DocumentCache,
): (batch: readonly UnpackedUpdate[]) => Uint8Array<ArrayBuffer> {
  const begin = db.prepare('BEGIN IMMEDIATE')
  const commit = db.prepare('COMMIT')
  const beat = db.prepare(
    `INSERT INTO meta (key, value) VALUES ('heartbeat', 1) ON CONFLICT (key) DO UPDATE SET value = value + 1`,
  )
  const insertRow = rowInserter(db, settings.keys)
  const claimClients = clientClaimer(db)
  const archive = new MessageWriter(db, settings.keys)
  const writePushes = pushWriter(db)
  const writeEvents = eventWriter(db, settings.keys)
  const noteChange = changeNoter(db)
  const isAsExpected = expectationCheck(db)
  const inPlace = placeGuard(settings.file)

  /**
   * Stores an update, or leaves it out with all that comes with it; see append(). Returns its position or 0. `broken` are
   * the documents of which an update was left out for its clients; what `happened` by stored ones is written at the end.
   */
  function store(update: UnpackedUpdate, broken: Set<string>, happened: NewEvent[]): number {
    const { at, author, clients, data, expects, messages, events, epoch, resets = false } = update
    if (broken.has(update.document)) return 0
    if (expects !== undefined && !meets(update.document, expects, messages)) return 0
    const document = documents.open(update.document, at)
    if (document === undefined || document.epoch !== epoch) return 0
    const position = document.position + 1
    // A document that was just made has no claims: none is left without a row.
    const claimed = claimClients(document, { clients, user: author, position })
    if (claimed === undefined) {
      broken.add(update.document)
      return 0
    }
    insertRow(document, { position, at, author, data })
    documents.count(update.document, { at, bytes: data.length, clients: claimed, resets })
    for (const message of messages) archive.write(message)
    writePushes(update)
    if (events !== undefined) happened.push(...events)
    return position
  }

  function meets(
    document: string,
    expects: NonNullable<UnpackedUpdate['expects']>,
    messages: readonly ArchivedMessage[],
  ): boolean {
    if ('position' in expects) return documents.positionOf(document) === expects.position
    return isAsExpected(expects, messages)
  }

  return (batch) => {
    /** The documents that got rows, each with its position before. */
    const touched = new Map<string, number>()
    const broken = new Set<string>()
    const happened: NewEvent[] = []
    let positions: number[]
    try {
      begin.run()
      documents.refresh()
      let leading = 0
      positions = batch.map((update) => {
        const position = update.follows && leading === 0 ? 0 : store(update, broken, happened)
        if (!update.follows) leading = position
        if (position > 0 && !touched.has(update.document)) touched.set(update.document, position - 1)
        return position
      })
      for (const [name, before] of touched) {
        const record = documents.save(name)
        if (record !== undefined) noteChange(record, before, record.updatedAt)
      }
      if (happened.length > 0) writeEvents(joinEvents(happened))
      archive.index()
      if (batch.length === 0) beat.run()
      commit.run()
    } catch (error) {
      // The transaction ends with its connection, which is closed after every error; see worker.ts.
      throw toStorageError(error, `${settings.file}: appending`)
    }
    inPlace()
    return packAppendReply({ positions, due: [...touched.keys()].filter((name) => documents.isDue(name)) })
  }
}
