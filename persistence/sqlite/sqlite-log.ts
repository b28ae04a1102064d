import { resolve } from 'node:path'
import type { ClientClaim } from '../client-claim.ts'
import { Compactions } from '../compactions.ts'
import { type KeyRing, refuseEncrypted } from '../encryption.ts'
import { natural } from '../natural.ts'
import type { PortableLog } from '../portable-log.ts'
import { historyForgotten } from '../retention.ts'
import { StorageError } from '../storage-error.ts'
import type {
  Damage,
  Deletion,
  DocumentSummary,
  ListOptions,
  LogRow,
  NewDeletion,
  NewUpdate,
  StoredDocument,
  Undeleted,
} from '../update-log.ts'
import { packBatch } from './batch.ts'
import { readMarker, writeMarker } from './marker.ts'
import { unpackFlag, unpackPosition, unpackPositions, unpackText, unpackTexts } from './plain-replies.ts'
import type { Request, WorkerRole, WorkerSettings } from './protocol.ts'
import {
  unpackAppendReply,
  unpackClaims,
  unpackDamage,
  unpackDeletion,
  unpackLoadReply,
  unpackReadReply,
  unpackSummaries,
} from './replies.ts'
import { SqliteAdmin } from './sqlite-admin.ts'
import { toStorageError } from './sqlite-errors.ts'
import { SqliteEvents } from './sqlite-events.ts'
import { SqliteMessages } from './sqlite-messages.ts'
import { SqlitePeople } from './sqlite-people.ts'
import { SqlitePushes } from './sqlite-pushes.ts'
import { SqliteRestorer } from './sqlite-restorer.ts'
import { SqliteRetention } from './sqlite-retention.ts'
import { SqliteSeen } from './sqlite-seen.ts'
import { SqliteTexts } from './sqlite-texts.ts'
import { type Ask, type SqliteThread, startThread } from './sqlite-thread.ts'
import { SqliteVersions } from './sqlite-versions.ts'
import { SqliteWebhooks } from './sqlite-webhooks.ts'
import { refuseDamagedWal } from './wal-damage.ts'

export interface SqliteLogOptions {
  /** Made if it is not there; its folder must be. Its marker stands beside it, see marker.ts. */
  readonly file: string
  /**
   * Encrypts updates, snapshots and messages; names of documents, ids of users and messages, and times stay readable.
   * Messages can't be searched then.
   */
  readonly encryption?: KeyRing | undefined
  /** Told what no call can tell: a compaction that failed, a thread that died. The log goes on. */
  readonly onProblem?: ((error: Error) => void) | undefined
}

/**
 * Opens the update log in an SQLite file, for one or more processes on one machine (not over a network file system).
 * @throws {StorageError} `storage/corrupt`, `storage/missing`, `storage/key`, `storage/version`, `storage/unavailable`
 */
export async function openSqliteLog({ file, encryption, onProblem }: SqliteLogOptions): Promise<PortableLog> {
  const path = resolve(file)
  const report = onProblem ?? (() => {})
  try {
    const expected = await readMarker(path)
    await refuseDamagedWal(path)
    const opener = startThread({ role: 'opener', file: path, keys: encryption, databaseId: expected }, report)
    const opened = opener.call({ kind: 'create' })
    const databaseId = await opened.then(unpackText).finally(() => opener.close())
    await writeMarker(path, databaseId)
    const log = new SqliteLog(databaseId, { file: path, keys: encryption, databaseId }, report)
    await log.start()
    return log
  } catch (error) {
    throw toStorageError(error, `${path}: opening`)
  }
}

/** Hands every call to the thread it belongs to. */
class SqliteLog implements PortableLog {
  readonly id: string
  readonly messages: SqliteMessages
  readonly versions: SqliteVersions
  readonly seen: SqliteSeen
  readonly retention: SqliteRetention
  readonly pushes: SqlitePushes
  readonly events: SqliteEvents
  readonly texts: SqliteTexts
  readonly admin: SqliteAdmin
  readonly webhooks: SqliteWebhooks
  readonly people: SqlitePeople
  readonly restore: SqliteRestorer
  readonly #settings: Omit<WorkerSettings, 'role'>
  readonly #onProblem: (error: Error) => void
  readonly #writer: SqliteThread
  readonly #reader: SqliteThread
  /** Started by the first document that is to be compacted. */
  #compactor: SqliteThread | undefined
  /** A reader of its own, since a search may take longer than opening a document should wait. */
  #searcher: SqliteThread | undefined
  /** Started by the first that is to be forgotten. */
  #retentionThread: SqliteThread | undefined
  /** Of its own, since edits must not wait while a long text is stored. */
  #indexer: SqliteThread | undefined
  readonly #compactions: Compactions
  readonly #temporary = new Set<SqliteThread>()
  #closed: Promise<void> | undefined

  constructor(id: string, settings: Omit<WorkerSettings, 'role'>, onProblem: (error: Error) => void) {
    this.id = id
    this.#settings = settings
    this.#onProblem = onProblem
    this.#writer = this.#thread('writer')
    this.#reader = this.#thread('reader')
    const read: Ask = (request) => this.#read(request)
    const write: Ask = (request, moved) => this.#write(request, moved)
    this.messages = new SqliteMessages({ read, search: (request) => this.#search(request, 'messages') })
    this.versions = new SqliteVersions({ read, write })
    this.seen = new SqliteSeen({ read, write })
    this.retention = new SqliteRetention({
      read,
      retain: (request) => {
        this.#refuseIfClosed()
        this.#retentionThread ??= this.#thread('retention')
        return this.#retentionThread.call(request)
      },
      compact: (document) => this.compact(document),
    })
    this.pushes = new SqlitePushes({
      read: (call) => read({ kind: 'push', call }),
      write: (call) => write({ kind: 'push', call }),
    })
    this.events = new SqliteEvents({
      read: (call) => read({ kind: 'event', call }),
      write: (call) => write({ kind: 'event', call }),
      onProblem,
    })
    this.texts = new SqliteTexts({
      search: (request) => this.#search(request, 'documents'),
      write: (request, moved) => {
        this.#refuseIfClosed()
        refuseEncrypted(settings.keys !== undefined)
        this.#indexer ??= this.#thread('indexer')
        return this.#indexer.call(request, moved)
      },
    })
    this.admin = new SqliteAdmin({
      read: (call) => read({ kind: 'admin', call }),
      write: (call) => write({ kind: 'admin', call }),
    })
    this.webhooks = new SqliteWebhooks({
      read: (call) => read({ kind: 'webhook', call }),
      write: (call) => write({ kind: 'webhook', call }),
    })
    this.people = new SqlitePeople({
      read,
      write,
      compact: async (request) => {
        this.#refuseIfClosed()
        return await this.#compactions.between(() => this.#compact(request))
      },
      start: (role) => this.#temporaryThread(role),
      end: (thread) => this.#end(thread),
      refuseIfClosed: () => this.#refuseIfClosed(),
    })
    this.restore = new SqliteRestorer(write)
    this.#compactions = new Compactions(
      async (document) => unpackPosition(await this.#compact({ kind: 'compact', document })),
      onProblem,
    )
  }

  /** Waits until these threads are there, so that the first edit and the first load do not. */
  async start(): Promise<void> {
    const threads = [this.#writer, this.#reader]
    const opened = await Promise.allSettled(threads.map((thread) => thread.call({ kind: 'open' })))
    const failed = opened.find((result) => result.status === 'rejected')
    if (failed === undefined) return
    await this.close()
    throw failed.reason
  }

  async append(batch: readonly NewUpdate[]): Promise<number[]> {
    this.#refuseIfClosed()
    const packed = packBatch(batch)
    const { positions, due } = unpackAppendReply(await this.#writer.call({ kind: 'append', batch: packed }, [packed]))
    for (const document of due) this.#compactions.soon(document)
    return positions
  }

  async load(document: string): Promise<StoredDocument> {
    const { stored, due } = unpackLoadReply(await this.#read({ kind: 'load', document }))
    if (due) this.#compactions.soon(document)
    return stored
  }

  async *read(document: string, after: number, until = Number.POSITIVE_INFINITY): AsyncGenerator<LogRow> {
    for (let last = Math.max(after, 0), end = until; last < end; ) {
      const page = unpackReadReply(await this.#read({ kind: 'read', document, after: last, until: end }))
      if (last < page.forgotten) throw historyForgotten(document, { position: page.forgotten })
      end = Math.min(end, page.position) // what is committed as reading begins: it ends, also while others append
      yield* page.rows
      last = page.rows.at(-1)?.position ?? end
    }
  }

  async positions(documents: readonly string[]): Promise<number[]> {
    return unpackPositions(await this.#read({ kind: 'positions', documents }))
  }

  async epoch(document: string): Promise<number> {
    return unpackPosition(await this.#read({ kind: 'epoch', document }))
  }

  async hasChanged(): Promise<boolean> {
    return unpackFlag(await this.#read({ kind: 'has-changed' }))
  }

  async claims(document: string, after = 0): Promise<ClientClaim[]> {
    return unpackClaims(await this.#read({ kind: 'claims', document, after }))
  }

  async documents(options: ListOptions): Promise<DocumentSummary[]> {
    const { prefix = '', after = '', limit, deleted = false } = options
    return unpackSummaries(await this.#read({ kind: 'documents', prefix, after, limit, deleted }))
  }

  async delete(document: string, { at, by, events = [] }: NewDeletion): Promise<Deletion> {
    const request = { kind: 'delete', document, at: natural(at, 'at'), by: by.toWellFormed(), events } as const
    const deletion = unpackDeletion(await this.#write(request))
    if (deletion === undefined) throw new Error(`${document}: no deletion was told`)
    return deletion
  }

  async undelete(document: string): Promise<Undeleted> {
    const answer = unpackText(await this.#write({ kind: 'undelete', document }))
    return answer === 'restored' || answer === 'erased' ? answer : 'not-deleted'
  }

  erase(document: string): Promise<boolean> {
    return this.#withThread('eraser', async (eraser) => {
      for (;;) {
        const state = unpackText(await eraser.call({ kind: 'erase', document }))
        if (state === 'done' || state === 'not-deleted') return state === 'done'
        this.#refuseIfClosed()
      }
    })
  }

  async free(document: string): Promise<boolean> {
    const [known] = await this.documents({ prefix: document, limit: 1, deleted: true })
    // What a killed process has left must be gone: its rows would belong to nobody.
    if (known?.name === document && known.deleted?.isErased) await this.erase(document)
    return unpackFlag(await this.#write({ kind: 'free', document }))
  }

  async erasable(options: { readonly before: number; readonly limit: number }): Promise<string[]> {
    const { before, limit } = options
    return unpackTexts(await this.#read({ kind: 'erasable', before, limit }))
  }

  async compact(document: string): Promise<number> {
    this.#refuseIfClosed()
    return await this.#compactions.now(document)
  }

  async *check(): AsyncGenerator<Damage> {
    const checker = this.#temporaryThread('checker')
    try {
      for (;;) {
        const damage = unpackDamage(await checker.call({ kind: 'check-next' }))
        if (damage === undefined) return
        yield damage
      }
    } finally {
      await this.#end(checker)
    }
  }

  async backup(file: string): Promise<void> {
    await this.#withThread('backup', (thread) => thread.call({ kind: 'backup', target: resolve(file) }))
  }

  async close(): Promise<void> {
    this.#closed ??= this.#close()
    await this.#closed
  }

  async #close(): Promise<void> {
    await this.#compactions.stop()
    const later = [this.#compactor, this.#searcher, this.#retentionThread, this.#indexer]
    const started = later.filter((thread) => thread !== undefined)
    const threads = [this.#reader, ...started, ...this.#temporary]
    await Promise.all(threads.map((thread) => thread.close()))
    // Last: the last connection to close copies the write-ahead log into the file.
    await this.#writer.close()
  }

  #read(request: Request): Promise<Uint8Array<ArrayBuffer>> {
    this.#refuseIfClosed()
    return this.#reader.call(request)
  }

  #search(request: Request, what: 'documents' | 'messages'): Promise<Uint8Array<ArrayBuffer>> {
    this.#refuseIfClosed()
    refuseEncrypted(this.#settings.keys !== undefined, what)
    this.#searcher ??= this.#thread('reader')
    return this.#searcher.call(request)
  }

  #write(request: Request, moved?: readonly Uint8Array<ArrayBuffer>[]): Promise<Uint8Array<ArrayBuffer>> {
    this.#refuseIfClosed()
    return this.#writer.call(request, moved)
  }

  #compact(request: Request): Promise<Uint8Array<ArrayBuffer>> {
    this.#compactor ??= this.#thread('compactor')
    return this.#compactor.call(request)
  }

  #thread(role: WorkerRole): SqliteThread {
    return startThread({ ...this.#settings, role }, this.#onProblem)
  }

  async #withThread<T>(role: WorkerRole, use: (thread: SqliteThread) => Promise<T>): Promise<T> {
    const thread = this.#temporaryThread(role)
    try {
      return await use(thread)
    } finally {
      await this.#end(thread)
    }
  }

  #temporaryThread(role: WorkerRole): SqliteThread {
    this.#refuseIfClosed()
    const thread = this.#thread(role)
    this.#temporary.add(thread)
    return thread
  }

  async #end(thread: SqliteThread): Promise<void> {
    this.#temporary.delete(thread)
    await thread.close()
  }

  #refuseIfClosed(): void {
    if (this.#closed) throw new StorageError('storage/closed', `${this.#settings.file} has been closed`)
  }
}
