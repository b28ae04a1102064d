import pg from 'pg'
import { CoweaveError } from '../../model/errors.ts'
import type { ClientClaim } from '../client-claim.ts'
import { Compactions } from '../compactions.ts'
import { shownUrl } from '../database-url.ts'
import { deletionOf } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
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
import { appendBatch, copyBatch, storable } from './appender.ts'
import { readClaims } from './client-table.ts'
import type { CompactRequest } from './compactor.ts'
import { Connections } from './connections.ts'
import { findHead, findRecord, listRecords, readPositions } from './document-table.ts'
import { deleteDocument, eraseSome, freeDocument, listErasable, undeleteDocument } from './eraser.ts'
import { openDatabase } from './opener.ts'
import { PostgresAdmin } from './postgres-admin.ts'
import { toStorageError } from './postgres-errors.ts'
import { PostgresEvents } from './postgres-events.ts'
import { PostgresMessages } from './postgres-messages.ts'
import { PostgresPeople } from './postgres-people.ts'
import { PostgresPushes } from './postgres-pushes.ts'
import { PostgresRestorer } from './postgres-restorer.ts'
import { PostgresRetention } from './postgres-retention.ts'
import { PostgresSeen } from './postgres-seen.ts'
import { PostgresTexts } from './postgres-texts.ts'
import { type PostgresThread, startThread } from './postgres-thread.ts'
import { PostgresVersions } from './postgres-versions.ts'
import { PostgresWebhooks } from './postgres-webhooks.ts'
import { loadDocument, readDocument } from './reader.ts'
import type { RunAs, Session } from './session.ts'
import { isDamage } from './thread-messages.ts'
import type { WorkerSettings } from './worker.ts'

const READERS = 4

export interface PostgresLogOptions {
  /** `postgres://…` */
  readonly url: string
  /** Encrypts as the SQLite log does; messages can't be searched then. */
  readonly encryption?: KeyRing | undefined
  /** Whether tables are made where there are none; else that is `storage/missing`. */
  readonly create?: boolean
  /** Told what no call can tell: a compaction that failed, an idle connection that was lost. The log goes on. */
  readonly onProblem?: ((error: Error) => void) | undefined
}

/**
 * Opens the update log in a Postgres database, for one or more processes on any number of machines.
 * @throws {StorageError} `storage/unavailable`, `storage/missing`, `storage/key`, `storage/version`, `storage/corrupt`
 * @throws {CoweaveError} `config/invalid` for a URL that can't be read
 */
export async function openPostgresLog(options: PostgresLogOptions): Promise<PortableLog> {
  const { url, encryption: keys, create = true, onProblem = () => {} } = options
  const settings: WorkerSettings = { url, place: shownUrl(url), keys }
  refuseBadUrl(url)
  const writer = new Connections({ ...settings, max: 1, onProblem })
  try {
    const databaseId = await openDatabase(writer, { ...settings, create, onProblem })
    return new PostgresLog(settings, { databaseId, writer, onProblem })
  } catch (error) {
    await writer.close()
    throw toStorageError(error, `${settings.place}: opening`)
  }
}

/** Without a cause: Node's error of a bad URL holds all of it. */
function refuseBadUrl(url: string): void {
  try {
    new pg.Client({ connectionString: url })
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    throw new CoweaveError('config/invalid', `DATABASE_URL=${shownUrl(url)}: ${problem}`)
  }
}

interface Opened {
  readonly databaseId: string
  readonly writer: Connections
  readonly onProblem: (error: Error) => void
}

/** One connection appends, a few read, one searches; what takes long to compute has threads of its own. */
class PostgresLog implements PortableLog {
  readonly id: string
  readonly messages: PostgresMessages
  readonly versions: PostgresVersions
  readonly seen: PostgresSeen
  readonly retention: PostgresRetention
  readonly pushes: PostgresPushes
  readonly events: PostgresEvents
  readonly texts: PostgresTexts
  readonly admin: PostgresAdmin
  readonly webhooks: PostgresWebhooks
  readonly people: PostgresPeople
  readonly restore: PostgresRestorer
  readonly #settings: WorkerSettings
  readonly #onProblem: (error: Error) => void
  readonly #writer: Connections
  readonly #readers: Connections
  readonly #searcher: Connections
  /** Their own, so that pushes and consumers of events don't wait for large batches, nor edits for them. */
  readonly #pushers: Connections
  /** One of its own, so that nobody waits while something is erased. */
  readonly #eraser: Connections
  /** Started by the first text. */
  #indexer: PostgresThread | undefined
  /** Started by the first compaction. */
  #compactor: PostgresThread | undefined
  /** Started by the first that is to be forgotten. */
  #retentionThread: PostgresThread | undefined
  readonly #compactions: Compactions
  readonly #checkers = new Set<PostgresThread>()
  readonly #underWay = new Set<Promise<unknown>>()
  #closed: Promise<void> | undefined

  constructor(settings: WorkerSettings, { databaseId, writer, onProblem }: Opened) {
    this.id = databaseId
    this.#settings = settings
    this.#onProblem = onProblem
    this.#writer = writer
    this.#readers = new Connections({ ...settings, max: READERS, onProblem })
    this.#searcher = new Connections({ ...settings, max: 1, onProblem })
    this.#pushers = new Connections({ ...settings, max: 1, onProblem })
    const read: RunAs = (what, work) => this.#read(what, work)
    const look: RunAs = (what, work) => this.#look(what, work)
    const write: RunAs = (what, work) => this.#write(what, work)
    this.messages = new PostgresMessages(settings.keys, {
      read,
      search: (work) => this.#call('searching messages', () => work(this.#searcher)),
    })
    this.versions = new PostgresVersions(settings.keys, { look, write })
    this.seen = new PostgresSeen({ look, write })
    this.retention = new PostgresRetention(settings.keys, {
      read,
      look,
      retain: (what, request) =>
        this.#call(what, () => {
          this.#retentionThread ??= startThread('retention', settings, onProblem)
          return this.#retentionThread.call(request)
        }),
      compact: (document) => this.compact(document),
    })
    this.pushes = new PostgresPushes(settings.keys, {
      read: (work) => read('reading pushes', work),
      write: (work) => this.#call('writing pushes', () => this.#pushers.write(work)),
    })
    this.events = new PostgresEvents(settings.keys, {
      read: (work) => read('reading events', work),
      write: (work) => this.#call('keeping account of events', () => this.#pushers.write(work)),
      onProblem,
    })
    this.texts = new PostgresTexts({
      isEncrypted: settings.keys !== undefined,
      search: (work) => this.#call('searching documents', () => this.#searcher.look(work)),
      write: (work) =>
        this.#call('indexing', () => {
          this.#indexer ??= startThread('indexer', settings, onProblem)
          return work(this.#indexer)
        }),
    })
    this.admin = new PostgresAdmin({
      read: (work) => read("reading admins' actions", work),
      write: (work) => this.#call("writing admins' actions", () => this.#pushers.write(work)),
    })
    this.webhooks = new PostgresWebhooks(settings.keys, {
      read: (work) => read('reading webhooks', work),
      write: (work) => this.#call('writing webhooks', () => this.#pushers.write(work)),
    })
    this.#eraser = new Connections({ ...settings, max: 1, onProblem })
    this.people = new PostgresPeople(settings.keys, {
      read: (work) => read('reading of people', work),
      erase: (work) => this.#call('erasing', () => this.#eraser.write(work)),
      write: (work) => this.#call('writing of people', () => this.#pushers.write(work)),
      scrub: (document, user) =>
        this.#call(`${document}: compacting`, () => this.#compact({ document, optional: false, scrubbed: user })),
    })
    this.restore = new PostgresRestorer(settings.keys, write)
    this.#compactions = new Compactions((document, { optional }) => this.#compact({ document, optional }), onProblem)
  }

  append(batch: readonly NewUpdate[]): Promise<number[]> {
    return this.#call('appending', async () => {
      const copy = copyBatch(batch)
      const options = { keys: this.#settings.keys, databaseId: this.id, place: this.#settings.place }
      const { positions, due } = await this.#writer.write((session) => appendBatch(session, copy, options))
      for (const document of due) this.#compactions.soon(document)
      return positions
    })
  }

  load(document: string): Promise<StoredDocument> {
    return this.#call(`${document}: reading`, async () => {
      const { keys } = this.#settings
      const { stored, due } = await this.#readers.look((session) => loadDocument(session, keys, document))
      if (due) this.#compactions.soon(document)
      return stored
    })
  }

  async *read(document: string, after: number, until = Number.POSITIVE_INFINITY): AsyncGenerator<LogRow> {
    const { keys } = this.#settings
    for (let last = Math.max(after, 0), end = until; last < end; ) {
      const range = { after: last, until: end }
      const page = await this.#look(`${document}: reading`, (session) => readDocument(session, keys, document, range))
      if (last < page.forgotten) throw historyForgotten(document, { position: page.forgotten })
      end = Math.min(end, page.position) // what is committed as reading begins: it ends, also while others append
      yield* page.rows
      last = page.rows.at(-1)?.position ?? end
    }
  }

  positions(documents: readonly string[]): Promise<number[]> {
    return this.#read('reading positions', (session) => readPositions(session, documents))
  }

  async epoch(document: string): Promise<number> {
    const record = await this.#read(`${document}: reading`, (session) => findRecord(session, document))
    return record?.epoch ?? 0
  }

  /** Postgres has nothing that tells it for less. */
  hasChanged(): Promise<boolean> {
    return this.#call('looking for changes', async () => true)
  }

  claims(document: string, after = 0): Promise<ClientClaim[]> {
    return this.#look(`${document}: reading`, async (session) => {
      const head = await findHead(session, document)
      return head === undefined || head.record.position === 0 ? [] : await readClaims(session, head.record, after)
    })
  }

  async documents(options: ListOptions): Promise<DocumentSummary[]> {
    const { prefix = '', after = '', limit, deleted = false } = options
    const records = await this.#read('listing documents', (session) =>
      listRecords(session, { prefix, after, limit, deleted }),
    )
    return records.map(({ name, position, createdAt, updatedAt, tombstone }) => ({
      name,
      position,
      createdAt,
      updatedAt,
      ...(tombstone && { deleted: deletionOf(tombstone) }),
    }))
  }

  delete(document: string, deletion: NewDeletion): Promise<Deletion> {
    return this.#call(`${document}: deleting`, async () => {
      const name = storable(document, 'the name of a document')
      const { at, by, events } = deletion
      const wanted = { at: natural(at, 'at'), by: by.toWellFormed(), ...(events && { events }) }
      return await this.#writer.write((session) => deleteDocument(session, this.#settings.keys, name, wanted))
    })
  }

  undelete(document: string): Promise<Undeleted> {
    return this.#write(`${document}: restoring`, (session) => undeleteDocument(session, document))
  }

  async erase(document: string): Promise<boolean> {
    for (;;) {
      const state = await this.#call(`${document}: erasing`, () =>
        this.#eraser.write((session) => eraseSome(session, document)),
      )
      if (state !== 'going-on') return state === 'done'
    }
  }

  async free(document: string): Promise<boolean> {
    const [known] = await this.documents({ prefix: document, limit: 1, deleted: true })
    // What a killed process has left must be gone: its rows would belong to nobody.
    if (known?.name === document && known.deleted?.isErased) await this.erase(document)
    return await this.#write(`${document}: freeing its name`, (session) => freeDocument(session, document))
  }

  erasable(options: { readonly before: number; readonly limit: number }): Promise<string[]> {
    return this.#read('listing deleted documents', (session) => listErasable(session, options))
  }

  compact(document: string): Promise<number> {
    return this.#call(`${document}: compacting`, () => this.#compactions.now(document))
  }

  async *check(): AsyncGenerator<Damage> {
    this.#refuseIfClosed()
    const checker = startThread('checker', this.#settings, this.#onProblem)
    this.#checkers.add(checker)
    try {
      for (;;) {
        const damage = await this.#call('checking', () => checker.call({ kind: 'check-next' }))
        if (!isDamage(damage)) return
        yield damage
      }
    } finally {
      this.#checkers.delete(checker)
      await checker.close()
    }
  }

  backup(_file: string): Promise<void> {
    return this.#call('backing up', async () => {
      const problem = 'a backup of Postgres is made by Postgres: pg_dump --format=custom --schema=coweave --file=<file>'
      throw new CoweaveError('backup/unsupported', problem)
    })
  }

  async close(): Promise<void> {
    this.#closed ??= this.#close()
    await this.#closed
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#underWay)
    await this.#compactions.stop()
    const started = [this.#compactor, this.#retentionThread, this.#indexer].filter((thread) => thread !== undefined)
    await Promise.all([...this.#checkers, ...started].map((thread) => thread.close()))
    await Promise.all(
      [this.#writer, this.#readers, this.#searcher, this.#pushers, this.#eraser].map((connections) =>
        connections.close(),
      ),
    )
  }

  async #compact(request: CompactRequest): Promise<number> {
    this.#compactor ??= startThread('compactor', this.#settings, this.#onProblem)
    return Number(await this.#compactor.call({ kind: 'compact', ...request }))
  }

  #read<T>(what: string, work: (session: Session) => Promise<T>): Promise<T> {
    return this.#call(what, () => this.#readers.read(work))
  }

  /** Reads as of one moment. */
  #look<T>(what: string, work: (session: Session) => Promise<T>): Promise<T> {
    return this.#call(what, () => this.#readers.look(work))
  }

  #write<T>(what: string, work: (session: Session) => Promise<T>): Promise<T> {
    return this.#call(what, () => this.#writer.write(work))
  }

  /** `what` is being done, as errors say it. */
  async #call<T>(what: string, work: () => Promise<T>): Promise<T> {
    this.#refuseIfClosed()
    const result = work()
    this.#underWay.add(result)
    try {
      return await result
    } catch (error) {
      if (error instanceof CoweaveError || error instanceof TypeError) throw error
      throw toStorageError(error, what)
    } finally {
      this.#underWay.delete(result)
    }
  }

  #refuseIfClosed(): void {
    if (this.#closed) throw new StorageError('storage/closed', `${this.#settings.place} has been closed`)
  }
}
