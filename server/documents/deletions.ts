import type { Hocuspocus } from '@hocuspocus/server'
import type { Logger } from 'pino'
import { CoweaveError } from '../../model/errors.ts'
import { segmentName } from '../../model/rooms.ts'
import { chatBeside, goesWith } from '../../persistence/beside.ts'
import {
  DELETED,
  type Deletion,
  type NewDeletion,
  type Undeleted,
  type UpdateLog,
} from '../../persistence/update-log.ts'
import { documentDeletedEvent } from '../events/document-events.ts'
import type { Durability } from './durability.ts'
import { SERVER } from './open-document.ts'

const DAY_MS = 24 * 60 * 60 * 1000
/** How often it is looked for documents whose time is up, at least and at most. */
const PURGE_INTERVAL_MS = { least: 500, most: 60 * 60 * 1000 } as const
/** Documents that are looked for at once. */
const PURGE_PAGE = 100
/** Of a chat, whom other instances are told of at once; they find the others in the log. */
const MAX_TOLD = 1_000

export const DOCUMENT_DELETED = 'document/deleted'

export function documentDeleted(name: string): CoweaveError {
  return new CoweaveError(DOCUMENT_DELETED, `${name} was deleted`)
}

export interface DeletionsOptions {
  readonly log: UpdateLog
  readonly durability: Durability
  readonly hocuspocus: Hocuspocus
  readonly logger: Logger
  /** How long a deleted document can be restored; 0 for ever. */
  readonly keptDays: number
  /** These documents are deleted: whoever has one open is sent away, and they are forgotten. */
  readonly onGone: (names: ReadonlySet<string>) => void
  /** To other instances. */
  readonly tell: (names: Iterable<string>) => void
}

/**
 * Deletes documents, each with the chat beside it, restores them, and erases those whose time is up. Which ones are
 * deleted is told by the log alone.
 */
export class Deletions {
  readonly #options: DeletionsOptions
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(options: DeletionsOptions) {
    this.#options = options
    if (options.keptDays > 0) this.#purgeLater()
  }

  /** When a document of that deletion is erased; undefined for never, or when it is already. */
  erasedAt({ at, isErased }: Deletion): number | undefined {
    const { keptDays } = this.#options
    return isErased || keptDays === 0 ? undefined : Math.ceil(at + keptDays * DAY_MS)
  }

  /** Whether a document is deleted, or each of several. */
  async areDeleted(names: readonly string[]): Promise<boolean[]> {
    if (names.length === 0) return []
    return (await this.#options.log.positions(names)).map((position) => position === DELETED)
  }

  /** @throws {CoweaveError} `document/deleted` for a document that is, and for the chat beside it  @throws {StorageError} */
  async refuse(name: string): Promise<void> {
    const [isDeleted] = await this.areDeleted([name])
    if (isDeleted) throw documentDeleted(name)
  }

  /** Resolves once it is on disk, and nobody has the document open here. @throws {StorageError} */
  delete(name: string, by: string): Promise<Deletion> {
    const at = Date.now()
    return this.#delete(name, { at, by, events: [documentDeletedEvent(name, { at, by })] })
  }

  /** As delete(), by the server, and without an event: the name says whom it belonged to. @throws {StorageError} */
  deleteUntold(name: string): Promise<Deletion> {
    return this.#delete(name, { at: Date.now(), by: SERVER })
  }

  /** @throws {StorageError} */
  undelete(name: string): Promise<Undeleted> {
    return this.#options.log.undelete(name)
  }

  /** Resolves once a deleted document is erased. @throws {StorageError} */
  async erase(name: string): Promise<void> {
    await this.#options.log.erase(name)
  }

  /** Lets the name of an erased document be used again. @throws {StorageError} */
  free(name: string): Promise<boolean> {
    return this.#options.log.free(name)
  }

  async #delete(name: string, deletion: NewDeletion): Promise<Deletion> {
    const { log, durability } = this.#options
    await durability.settled() // what was taken before belongs to it
    const stored = await log.delete(name, deletion)
    await this.#gone(name)
    return stored
  }

  /** Erases nothing more by itself. What is under way ends when the log is closed, and goes on after the next start. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  async #gone(name: string): Promise<void> {
    const { hocuspocus, onGone, tell, log } = this.#options
    const { documents, loadingDocuments } = hocuspocus
    const isGone = (other: string) => goesWith(name, other)
    onGone(new Set([...documents.keys()].filter(isGone)))
    const loading = [...loadingDocuments].filter(([other]) => isGone(other))
    // What they are loaded from may be from before.
    await Promise.allSettled(loading.map(([, document]) => document))
    onGone(new Set(loading.map(([other]) => other)))
    const { head } = chatBeside(name)
    const chat = await log.documents({ prefix: head, limit: MAX_TOLD, deleted: true })
    const stored = chat.map((document) => document.name).filter(isGone)
    tell(new Set([name, head, segmentName(head, 1), ...stored]))
  }

  #purgeLater(): void {
    if (this.#isClosed) return
    const { least, most } = PURGE_INTERVAL_MS
    const interval = Math.min(most, Math.max(least, (this.#options.keptDays * DAY_MS) / 10))
    // Not all instances at once.
    const delayMs = interval * (0.5 + Math.random() / 2)
    this.#timer = setTimeout(() => void this.#purge().then(() => this.#purgeLater()), delayMs).unref()
  }

  /** Several instances may do it at once: each goes on with what the others have done. */
  async #purge(): Promise<void> {
    const { log, logger, keptDays } = this.#options
    try {
      for (;;) {
        const names = await log.erasable({ before: Math.floor(Date.now() - keptDays * DAY_MS), limit: PURGE_PAGE })
        for (const name of names) {
          if (this.#isClosed) return
          if (await log.erase(name)) logger.info({ document: name }, 'a deleted document was erased')
        }
        if (names.length < PURGE_PAGE) return
      }
    } catch (error) {
      if (!this.#isClosed) logger.error({ error }, 'deleted documents could not be erased; it is tried again')
    }
  }
}
