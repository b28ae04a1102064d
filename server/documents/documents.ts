import { randomUUID } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { Database } from '@hocuspocus/extension-database'
import type { beforeUnloadDocumentPayload, Document, Hocuspocus, onLoadDocumentPayload } from '@hocuspocus/server'
import type { Logger } from 'pino'
import { CoweaveError } from '../../model/errors.ts'
import { roomOf } from '../../model/rooms.ts'
import { StorageError } from '../../persistence/storage-error.ts'
import type { StoredDocument, UpdateLog } from '../../persistence/update-log.ts'
import type { Loading, Prepared } from '../loading/loading.ts'
import type { Rooms } from '../rooms/rooms.ts'
import { traced } from '../tracing/spans.ts'
import { DOCUMENT_DELETED, documentDeleted } from './deletions.ts'
import { type DocumentRules, Guard } from './guard.ts'
import { IdleDocuments, type IdleLimits } from './idle-documents.ts'
import { boundObservedDepth } from './observed-depth.ts'
import { OpenDocument, type OpenDocumentOptions } from './open-document.ts'
import type { Seeding } from './seeding.ts'
import { bytesOf, type StoredAnswer } from './stored-answer.ts'

/** Why a document isn't opened: thrown to Hocuspocus, which sends `reason` to the client. No Error, or it prints it. */
export interface OpenRefusal {
  readonly reason: string
}

export interface DocumentsOptions extends OpenDocumentOptions {
  readonly log: UpdateLog
  readonly rooms: Rooms
  readonly loading: Loading
  readonly seeding?: Seeding | undefined
  /** The rules of a document that is no room. @throws {CoweaveError} `document/rules-failed` */
  readonly rulesOf?: ((name: string) => DocumentRules | undefined) | undefined
  readonly logger: Logger
  readonly idle: IdleLimits
  readonly onOpened: (document: OpenDocument) => void
  readonly onClosed: (document: OpenDocument) => void
}

/**
 * The documents in memory, loaded from the log. As an extension of Hocuspocus it takes the place of its stored
 * documents: the debounced store of the whole document does nothing here, since every update is in the log.
 */
export class Documents extends Database {
  readonly #open = new Map<Document, OpenDocument>()
  /** What can be sent of those that are being loaded. */
  readonly #arriving = new Map<string, Promise<StoredAnswer | undefined>>()
  readonly #idle: IdleDocuments
  readonly #options: DocumentsOptions
  #loads = 0

  constructor(options: DocumentsOptions) {
    super({})
    this.#options = options
    this.#idle = new IdleDocuments(options.idle)
    this.configuration.fetch = async ({ documentName, document }) => {
      const answer = Promise.withResolvers<StoredAnswer | undefined>()
      this.#arriving.set(documentName, answer.promise)
      try {
        await this.#fetch(document, answer.resolve)
      } finally {
        answer.resolve(undefined)
        this.#arriving.delete(documentName)
      }
      return null
    }
  }

  async #fetch(document: Document, onAnswer: (answer: StoredAnswer | undefined) => void): Promise<void> {
    const { durability, rooms, rulesOf, loading } = this.#options
    const { name } = document
    // The server itself may have written, to stamp a message, while the document was being unloaded: what it is
    // loaded from has that too.
    await durability.settled()
    const { stored, at } = await this.#load(name)
    const prepared = loading.prepare(name, stored, at)
    onAnswer(prepared.answer)
    const rules = (await rooms.rulesOf(name, stored.position === 0)) ?? rulesOf?.(name)
    await this.#build(document, { stored, at, prepared }, rules)
  }

  /**
   * What can be sent of a document that is being loaded, to those who may read it; undefined for any that is not, and for
   * one that is loaded before that can be told.
   */
  arriving(name: string): Promise<StoredAnswer | undefined> | undefined {
    return this.#arriving.get(name)
  }

  /** What the log has of a document. One that is new begins with its seed, for everybody the same. */
  async #load(name: string): Promise<{ readonly stored: StoredDocument; readonly at: number }> {
    const { log, seeding } = this.#options
    const at = performance.now()
    const stored = await log.load(name)
    if (stored.deleted !== undefined) throw documentDeleted(name)
    const isBegun = stored.position > 0 || seeding === undefined || roomOf(name) !== undefined
    if (isBegun || !(await seeding.plant(name, stored.epoch))) return { stored, at }
    return await this.#load(name)
  }

  /** The open document behind Hocuspocus' `document`, unless it was unloaded or forgotten meanwhile. */
  get(document: Document): OpenDocument | undefined {
    return this.#open.get(document)
  }

  /** All of them, also those that nobody has open now. */
  get all(): Iterable<OpenDocument> {
    return this.#open.values()
  }

  get size(): number {
    return this.#open.size
  }

  /** How many of them nobody has open. */
  get idle(): number {
    return this.#idle.size
  }

  /** How many were loaded since the start. */
  get loads(): number {
    return this.#loads
  }

  /** A user is erased: whoever comes under the same name is somebody else. */
  disown(user: string): void {
    for (const open of this.#open.values()) open.disown(user)
  }

  /** Has a document unloaded that nobody has open: it need not wait for those who come back. */
  letGo(open: OpenDocument): void {
    this.#idle.drop(open)
  }

  /** Yjs draws an id of its own from 31 random numbers, which takes longer than all the rest of making a document. */
  async onCreateDocument(): Promise<{ readonly guid: string }> {
    return { guid: randomUUID() }
  }

  override async onLoadDocument(payload: onLoadDocumentPayload): Promise<void> {
    try {
      const { documentName } = payload
      await traced('load document', { 'coweave.document': documentName }, () => super.onLoadDocument(payload))
    } catch (error) {
      // Hocuspocus drops the document without ending it, which leaks it and its timer.
      payload.document.destroy()
      const refusal = refusalOf(error)
      const level = refusal.reason === DOCUMENT_DELETED ? 'info' : 'error'
      this.#options.logger[level]({ document: payload.documentName, error }, 'a document could not be loaded')
      throw refusal
    }
  }

  override async onStoreDocument(): Promise<void> {}

  /** A connection has it open. */
  used(open: OpenDocument): void {
    this.#idle.remove(open)
  }

  /**
   * Keeps a document for those who come back soon, and until all of it is stamped and committed. Hocuspocus takes a
   * throw for "not now".
   */
  async beforeUnloadDocument({ instance, document, documentName }: beforeUnloadDocumentPayload): Promise<void> {
    const open = this.#open.get(document)
    if (open !== undefined && this.#idle.keeps(open, () => instance.unloadDocument(document))) throw undefined
    await this.#stamp(document)
    await this.#options.durability.settled()
    // Whoever is being handed the document has it by then: Hocuspocus looks once more for users right after this.
    await setImmediate()
    // A forgotten document's last leaver would unload the one that took its place.
    if (instance.documents.get(documentName) !== document) throw undefined
  }

  /** Unloads nothing any more. */
  close(): void {
    this.#idle.close()
  }

  /**
   * Unloads documents without waiting for their updates, since the log may not have them. Their sockets must be
   * closed by the caller: a client that stayed would not notice.
   */
  forget(hocuspocus: Hocuspocus, names: ReadonlySet<string>): OpenDocument[] {
    const forgotten = [...this.#open.values()].filter((document) => names.has(document.name))
    for (const { ydoc, name } of forgotten) {
      if (hocuspocus.documents.get(name) === ydoc) hocuspocus.documents.delete(name)
      ydoc.destroy()
    }
    return forgotten
  }

  async #stamp(document: Document): Promise<void> {
    try {
      await this.#options.rooms.stamp(document)
    } catch (error) {
      // Whoever opens it next stamps what is left.
      if (!(error instanceof StorageError)) throw error
    }
  }

  async #build(
    document: Document,
    { stored, at, prepared }: { readonly stored: StoredDocument; readonly at: number; readonly prepared: Prepared },
    rules: DocumentRules | undefined,
  ): Promise<void> {
    // Hocuspocus encodes each change anew and sends it to everybody, its sender too: ours is open-document.ts.
    document._observers.delete('update')
    document.awareness._observers.delete('update')
    boundObservedDepth(document)
    await this.#options.loading.fill(document, await prepared.updates)
    const tail = await prepared.answer?.tail
    const answer = prepared.answer && tail && { ...prepared.answer, frames: [await prepared.answer.snapshot, ...tail] }
    const guard = rules === undefined ? undefined : new Guard(document, rules)
    const archive = this.#options.rooms.archiveOf(document.name, document)
    const bytes = bytesOf(stored)
    const { position, clients: owners, epoch, retired } = stored
    const loadedFrom = { position, at, bytes, owners, epoch, retired, answer }
    const open = new OpenDocument(document, loadedFrom, guard, archive, this.#options)
    this.#open.set(document, open)
    this.#loads += 1
    document.once('destroy', () => {
      this.#open.delete(document)
      this.#idle.remove(open)
      guard?.destroy()
      this.#options.onClosed(open)
    })
    this.#options.onOpened(open)
    if (rules !== undefined) this.#options.rooms.opened(open, rules)
  }
}

function refusalOf(error: unknown): OpenRefusal {
  return { reason: error instanceof CoweaveError ? error.code : 'document/load-failed' }
}
