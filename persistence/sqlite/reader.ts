import type { Database } from 'better-sqlite3'
import { type ClientClaim, owners, retiredBefore } from '../client-claim.ts'
import { shouldCompact } from '../compaction.ts'
import { type DocumentRecord, deletionOf } from '../document-record.ts'
import { tailWeight } from '../snapshot-record.ts'
import type { LogRow } from '../update-log.ts'
import { adminReader } from './admin-table.ts'
import { claimReader } from './client-table.ts'
import { openForReading } from './database.ts'
import { documentLoader } from './document-loader.ts'
import { documentFinder, documentLister, erasableLister, positionReader, tombstoneFinder } from './document-table.ts'
import { eventReader } from './event-table.ts'
import { historyStartReader } from './history-start.ts'
import { packFoundMessages, packMessages } from './message-replies.ts'
import { messageSearcher } from './message-search.ts'
import { archivePager, messageFinder, messagePager, messageProbe } from './message-table.ts'
import { erasureReader, traceReader } from './people-table.ts'
import { packBytes, packFlag, packPosition, packPositions, packText, packTexts } from './plain-replies.ts'
import { type Role, unexpectedRequest, type WorkerSettings } from './protocol.ts'
import { pushReader } from './push-table.ts'
import {
  packClaims,
  packHistoryBase,
  packLoadReply,
  packReadReply,
  packSeen,
  packSummaries,
  packVersions,
} from './replies.ts'
import { seenFinder, seenReader } from './seen-table.ts'
import { toStorageError } from './sqlite-errors.ts'
import { laggingLister, textReader, textSearcher } from './text-table.ts'
import { rowReader } from './update-table.ts'
import { versionReader } from './version-table.ts'
import { webhookReader } from './webhook-table.ts'

/** A page of read() ends with the row that takes it over either of these. */
const PAGE_ROWS = 1_000
const PAGE_BYTES = 256 * 1024

/** The thread that loads documents, reads rows and messages, and lists documents; another one searches. */
export function openReader(settings: WorkerSettings): Role {
  const db = openForReading(settings)
  const loadDocument = documentLoader(db, settings.keys)
  const readClaims = claimReader(db)
  const positions = positionReader(db)
  const hasChanged = changeDetector(db)
  const find = documentFinder(db)
  const findTombstone = tombstoneFinder(db)
  const list = documentLister(db)
  const listErasable = erasableLister(db)
  const rows = rowReader(db, settings.keys)
  const pageOfMessages = messagePager(db, settings.keys)
  const findMessage = messageFinder(db, settings.keys)
  const knownIds = messageProbe(db)
  const pageOfArchive = archivePager(db, settings.keys)
  const search = messageSearcher(db, settings.keys)
  const searchTexts = textSearcher(db)
  const listLagging = laggingLister(db)
  const texts = textReader(db)
  const pushes = pushReader(db, settings.keys)
  const events = eventReader(db, settings.keys)
  const admin = adminReader(db)
  const webhooks = webhookReader(db, settings.keys)
  const versions = versionReader(db, settings.keys)
  const seenBy = seenReader(db)
  const findSeen = seenFinder(db)
  const starts = historyStartReader(db, settings.keys)
  const traces = traceReader(db, settings.keys)
  const erasures = erasureReader(db)

  function load(name: string): Uint8Array<ArrayBuffer> {
    return loadDocument(name, (document) => {
      const tombstone = findTombstone(name, document?.record)
      if (document === undefined || tombstone !== undefined) {
        const deleted = tombstone && deletionOf(tombstone)
        const nothing = {
          position: 0,
          snapshot: 0,
          epoch: 0,
          vector: undefined,
          clients: new Map(),
          retired: new Set<number>(),
          due: false,
        }
        return packLoadReply({ ...nothing, deleted }, () => {})
      }
      const { record, snapshot } = document
      const claims = readClaims(record, 0)
      const header = {
        position: record.position,
        snapshot: snapshot.position,
        epoch: record.epoch,
        vector: snapshot.vector,
        clients: owners(claims),
        retired: retiredBefore(record.epoch, claims),
        due: shouldCompact(tailWeight(record, snapshot)),
        deleted: undefined,
      }
      return packLoadReply(header, (add) => {
        if (snapshot.position > 0) add(document.readSnapshot())
        for (const row of document.tail()) add(row.data)
      })
    })
  }

  function readPage(name: string, after: number, until: number): Uint8Array<ArrayBuffer> {
    const page: LogRow[] = []
    const record = db.transaction(() => {
      const record = find(name)
      if (record === undefined || after < record.forgotten) return record
      let bytes = 0
      for (const row of rows(record, after, Math.min(until, record.position))) {
        page.push(row)
        bytes += row.data.length
        if (page.length >= PAGE_ROWS || bytes >= PAGE_BYTES) break
      }
      return record
    })()
    const { position = 0, epoch = 0, forgotten = 0 } = record ?? {}
    return packReadReply({ position, epoch, forgotten, rows: page })
  }

  function claimsOf(name: string, after: number): ClientClaim[] {
    return loadDocument(name, (document) =>
      document === undefined || document.record.position === 0 ? [] : readClaims(document.record, after),
    )
  }

  /** What `look` finds of a document; `none` for an unknown one. */
  function lookAt<T>(name: string, look: (document: DocumentRecord) => T, none: T): T {
    return db.transaction(() => {
      const document = find(name)
      return document === undefined ? none : look(document)
    })()
  }

  return {
    handle(request) {
      try {
        if (request.kind === 'load') return load(request.document)
        if (request.kind === 'read') return readPage(request.document, request.after, request.until)
        if (request.kind === 'documents') {
          const { prefix, after, limit, deleted } = request
          const records = list({ prefix, after, limit, deleted })
          return packSummaries(
            records.map((record) => ({ ...record, deleted: record.tombstone && deletionOf(record.tombstone) })),
          )
        }
        if (request.kind === 'erasable')
          return packTexts(listErasable({ before: request.before, limit: request.limit }))
        if (request.kind === 'messages') return packMessages(pageOfMessages(request))
        if (request.kind === 'message') return packMessages(findMessage(request.room, request.id))
        if (request.kind === 'known-messages') return packTexts(knownIds(request.room, request.ids))
        if (request.kind === 'positions') return packPositions(positions(request.documents))
        if (request.kind === 'epoch') return packPosition(find(request.document)?.epoch ?? 0)
        if (request.kind === 'has-changed') return packFlag(hasChanged())
        if (request.kind === 'claims') return packClaims(claimsOf(request.document, request.after))
        if (request.kind === 'archive') return packFoundMessages(pageOfArchive(request))
        if (request.kind === 'push') {
          const { call } = request
          if (call.name === 'upcoming') return packText(JSON.stringify(pushes.upcoming(...call.given)))
          if (call.name === 'subscriptions') return packText(JSON.stringify(pushes.subscriptions(...call.given)))
        }
        if (request.kind === 'event') {
          const { call } = request
          if (call.name === 'read') return packText(JSON.stringify(events.read(...call.given)))
          if (call.name === 'last') return packText(JSON.stringify(events.last()))
          if (call.name === 'passed') return packText(JSON.stringify(events.passed(...call.given)))
          if (call.name === 'untold') return packText(JSON.stringify(events.untold(...call.given)))
        }
        if (request.kind === 'history-start') return packText(JSON.stringify(starts.startOf(request.document)))
        if (request.kind === 'history-base') return packHistoryBase(starts.baseOf(request.document))
        if (request.kind === 'forgettable') return packText(JSON.stringify(starts.forgettable(request)))
        if (request.kind === 'unpacked') return packText(JSON.stringify(starts.unpacked(request)))
        if (request.kind === 'admin') {
          const { call } = request
          if (call.name === 'actions') return packText(JSON.stringify(admin.actions(...call.given)))
          if (call.name === 'restrictions') return packText(JSON.stringify(admin.restrictions(...call.given)))
          if (call.name === 'figures') return packText(JSON.stringify(admin.figures(...call.given) ?? null))
        }
        if (request.kind === 'webhook') {
          const { call } = request
          if (call.name === 'list') return packText(JSON.stringify(webhooks.list()))
          if (call.name === 'due') return packText(JSON.stringify(webhooks.due(...call.given)))
          if (call.name === 'deliveries') return packText(JSON.stringify(webhooks.deliveries(...call.given)))
          if (call.name === 'backlog') return packText(JSON.stringify(webhooks.backlog()))
        }
        if (request.kind === 'versions') return packVersions(lookAt(request.document, versions, []))
        if (request.kind === 'seen') {
          const found = lookAt(request.document, (document) => findSeen(document, request.user), undefined)
          return packSeen(found === undefined ? [] : [found])
        }
        if (request.kind === 'seen-by') {
          return packSeen(lookAt(request.document, (document) => seenBy(document, request), []))
        }
        if (request.kind === 'search-texts') return packText(JSON.stringify(searchTexts(request.search)))
        if (request.kind === 'texts') return packBytes(texts(request.ids))
        if (request.kind === 'lagging') return packText(JSON.stringify(listLagging(request)))
        if (request.kind === 'traces') return packText(JSON.stringify(traces(request)))
        if (request.kind === 'erasures') return packText(JSON.stringify(erasures(request)))
        if (request.kind === 'search') return packFoundMessages(search(request))
      } catch (error) {
        throw toStorageError(error, `${'document' in request ? request.document : settings.file}: reading`)
      }
      return unexpectedRequest('reader', request)
    },
    close() {
      db.close()
    },
  }
}

/**
 * Returns a function that tells whether any other connection, of whatever process, has committed since its last call;
 * true at first, so that a connection opened after an error misses nothing.
 */
function changeDetector(db: Database): () => boolean {
  const dataVersion = db.prepare<[], unknown>('PRAGMA data_version').pluck()
  let seen: unknown
  return () => {
    const version = dataVersion.get()
    const hasChanged = version !== seen
    seen = version
    return hasChanged
  }
}
