import type * as Y from 'yjs'
import { CoweaveError } from '../../model/errors.ts'
import { HISTORY_FORGOTTEN } from '../../persistence/retention.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { type Change, type ContentFormat, changeContent } from '../formats/formats.ts'
import { fromYjsJson } from '../formats/yjs-json.ts'
import { type Exchange, moved } from './exchange.ts'
import type { Author } from './guard.ts'
import { loadAt, type Revision } from './load-at.ts'
import { WriterIds } from './writer-ids.ts'

/** How often a document is looked at again that somebody created meanwhile. */
const MAX_ATTEMPTS = 5

/** A whole document to write. */
export type Content =
  | { readonly format: ContentFormat | 'yjs-json'; readonly field: string; readonly body: unknown }
  | { readonly format: 'update'; readonly field: string; readonly body: Uint8Array }

export interface ContentChange {
  readonly format: ContentFormat
  readonly field: string
  readonly change: Change
}

export interface Written {
  /** A position of the log at which the change is in it. */
  readonly position: number
  readonly changed: boolean
  readonly isNew: boolean
  /** Whether all that the document holds at `position` was known to whoever made the change. */
  readonly isKnown: boolean
}

export interface DocumentWriterOptions {
  readonly log: UpdateLog
  readonly exchange: Exchange
}

/**
 * Writes what documents say, as a client would that was offline: it takes a copy of the document, as it was read, changes
 * that, and has the update merged. So carets and what others write at the same time stay, whatever instance they are on.
 */
export class DocumentWriter {
  readonly #options: DocumentWriterOptions
  readonly #ids = new WriterIds()

  constructor(options: DocumentWriterOptions) {
    this.#options = options
  }

  /**
   * Makes a document say `content`, and resolves once that is on disk. With `ifAt`, only if it is at that position; 0: if
   * there is none.
   * @throws {CoweaveError} `document/moved`, `document/exists` for what can only be created
   * @throws {FormatError} @throws what Exchange.take() throws
   */
  async put(name: string, author: Author, content: Content, ifAt: number | undefined): Promise<Written> {
    for (let attempt = 1; ; attempt += 1) {
      const before = await loadAt(this.#options.log, name)
      if (ifAt !== undefined && before.position !== ifAt) throw moved(name)
      const isNew = before.position === 0
      if (!isNew && (content.format === 'update' || content.format === 'yjs-json')) throw exists(name)
      const change = content.format === 'update' ? content.body : () => fill(before.ydoc, content)
      try {
        // Two who create a document at once would each have all of theirs in it.
        return await this.#write(name, author, before, change, isNew ? 0 : ifAt, before.position)
      } catch (error) {
        const isRace = isNew && ifAt === undefined && error instanceof CoweaveError && error.code === 'document/moved'
        if (!isRace || attempt === MAX_ATTEMPTS) throw error
      }
    }
  }

  /**
   * Changes a document as it was at `base`, or is now, and merges what that changed. Resolves once it is on disk.
   * @throws {CoweaveError} `document/not-found`, `document/moved`, `document/no-such-position`, `history/forgotten`
   * @throws {FormatError} @throws {EditError} @throws what Exchange.take() throws
   */
  async patch(
    name: string,
    author: Author,
    { format, field, change }: ContentChange,
    { base, ifAt }: { readonly base: number | undefined; readonly ifAt: number | undefined },
  ): Promise<Written> {
    const before = await loadAt(this.#options.log, name, base ?? ifAt).catch((error) => {
      const isForgotten = error instanceof CoweaveError && error.code === HISTORY_FORGOTTEN
      throw base === undefined && isForgotten ? moved(name) : error
    })
    if (before.position === 0) throw new CoweaveError('document/not-found', `${name} was never written`)
    return await this.#write(
      name,
      author,
      before,
      () => changeContent(before.ydoc, field, format, change),
      ifAt,
      // Who finds places in the document has not read all of it.
      'content' in change && base !== undefined ? base : undefined,
    )
  }

  async #write(
    name: string,
    author: Author,
    { ydoc, position }: Revision,
    /** Of the copy; or an update as it came, which is judged where all are. */
    change: (() => void) | Uint8Array,
    ifAt: number | undefined,
    read: number | undefined,
  ): Promise<Written> {
    const { log, exchange } = this.#options
    const take = (update: Uint8Array) => exchange.take(name, author, update, ifAt)
    const changed =
      change instanceof Uint8Array
        ? await take(change).then(() => true)
        : await this.#ids.write(name, author.principal.user, ydoc, change, take)
    const [last = 0] = await log.positions([name])
    const isKnown = read !== undefined && last === read + (changed ? 1 : 0)
    return { position: last, changed, isNew: position === 0, isKnown }
  }
}

function fill(ydoc: Y.Doc, { format, field, body }: Exclude<Content, { format: 'update' }>): void {
  if (format === 'yjs-json') fromYjsJson(body, ydoc)
  else changeContent(ydoc, field, format, { content: body })
}

function exists(name: string): CoweaveError {
  return new CoweaveError('document/exists', `${name} is there already: change it, or write another one`)
}
