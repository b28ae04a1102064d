import type { Anchor } from '../../model/chat.ts'
import { CoweaveError } from '../../model/errors.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { Conversions } from '../conversions/conversions.ts'
import type { WriterId, Writing } from '../conversions/protocol.ts'
import type { ContentFormat } from '../formats/content-formats.ts'
import type { Change } from '../formats/formats.ts'
import { type Exchange, moved } from './exchange.ts'
import type { Author } from './guard.ts'
import { neverWritten } from './never-written.ts'
import { WriterIds } from './writer-ids.ts'

/** How often a document is looked at again that somebody created meanwhile. */
const MAX_ATTEMPTS = 5

/** Where a document must be to be written: at a position, 0 for a new one, or anywhere; undefined where it doesn't matter. */
export type WantedPosition = number | 'any' | undefined

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
  /** Behind the last letter that was written, where there is one. */
  readonly at: Anchor | undefined
}

type Changed = Pick<Written, 'changed' | 'at'>

export interface DocumentWriterOptions {
  readonly log: UpdateLog
  readonly exchange: Exchange
  readonly conversions: Conversions
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
   * Makes a document say `content`, and resolves once that is on disk. With `ifAt`, only if it is there.
   * @throws {CoweaveError} `document/moved`, `document/exists` for what can only be created
   * @throws {FormatError} @throws what Exchange.take() throws
   */
  async put(name: string, author: Author, content: Content, ifAt: WantedPosition): Promise<Written> {
    const onlyAt = ifAt === 'any' ? undefined : ifAt
    for (let attempt = 1; ; attempt += 1) {
      let before = 0
      const see = (position: number) => {
        before = position
        if (!isAt(position, ifAt)) throw moved(name)
        if (position > 0 && (content.format === 'update' || content.format === 'yjs-json')) throw exists(name)
      }
      // Two who create a document at once would each have all of theirs in it.
      const take = (update: Uint8Array) => this.#options.exchange.take(name, author, update, before === 0 ? 0 : onlyAt)
      try {
        const change =
          content.format === 'update'
            ? await this.#position(name)
                .then(see)
                .then(() => take(content.body))
                .then(() => ({ changed: true, at: undefined }))
            : await this.#convert(name, author, undefined, see, writingOf(content), take)
        return await this.#written(name, change, before, before)
      } catch (error) {
        const isRace =
          before === 0 && ifAt === undefined && error instanceof CoweaveError && error.code === 'document/moved'
        if (!isRace || attempt === MAX_ATTEMPTS) throw error
      }
    }
  }

  /**
   * Changes a document as it was at `base`, or is now, and merges what that changed. Resolves once it is on disk.
   * @throws {CoweaveError} `document/not-found`, `document/moved`, and as Conversions.write()
   * @throws {FormatError} @throws {EditError} @throws what Exchange.take() throws
   */
  async patch(
    name: string,
    author: Author,
    { format, field, change }: ContentChange,
    { base, ifAt }: { readonly base: number | undefined; readonly ifAt: WantedPosition },
  ): Promise<Written> {
    let before = 0
    const see = (position: number) => {
      before = position
      if (position === 0) throw neverWritten(name)
      if (base === undefined && !isAt(position, ifAt)) throw moved(name)
    }
    const onlyAt = ifAt === 'any' ? undefined : ifAt
    const take = (update: Uint8Array) => this.#options.exchange.take(name, author, update, onlyAt)
    const writing = { format, field, change }
    const made = await this.#convert(name, author, base, see, writing, take)
    // Who finds places in the document has not read all of it.
    return await this.#written(name, made, before, 'content' in change && base !== undefined ? base : undefined)
  }

  /** Resolves with whether there was something to take, and where it was written. */
  async #convert(
    name: string,
    { principal: { user } }: Author,
    position: number | undefined,
    see: (position: number) => void,
    writing: Writing,
    take: (update: Uint8Array) => Promise<void>,
  ): Promise<Changed> {
    const { conversions } = this.#options
    let at: Anchor | undefined
    const make = async (writer: WriterId | undefined) => {
      const made = await conversions.write(user, name, { position, writer, see, writing })
      at = made.at
      return made
    }
    const changed = await this.#ids.write(name, user, make, take)
    return { changed, at }
  }

  /** Once a change is on disk that was made of what was read at `before`. */
  async #written(name: string, { changed, at }: Changed, before: number, read: number | undefined): Promise<Written> {
    const last = await this.#position(name)
    const isKnown = read !== undefined && last === read + (changed ? 1 : 0)
    return { position: last, changed, isNew: before === 0, isKnown, at }
  }

  async #position(name: string): Promise<number> {
    const [position = 0] = await this.#options.log.positions([name])
    return Math.max(position, 0)
  }
}

function writingOf({ format, field, body }: Exclude<Content, { format: 'update' }>): Writing {
  return format === 'yjs-json' ? { format, body } : { format, field, change: { content: body } }
}

function isAt(position: number, wanted: WantedPosition): boolean {
  return wanted === 'any' ? position > 0 : wanted === undefined || position === wanted
}

function exists(name: string): CoweaveError {
  return new CoweaveError('document/exists', `${name} is there already: change it, or write another one`)
}
