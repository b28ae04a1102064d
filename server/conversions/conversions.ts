import type { Anchor } from '../../model/chat.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { WorkerThread } from '../../persistence/worker-thread.ts'
import { movedOf, newestSource, type PackedSource, sourceAt } from '../documents/source.ts'
import type { NamedPlace } from '../formats/anchors.ts'
import { FormatError } from '../formats/format-error.ts'
import type { ConversionThreads } from './conversion-threads.ts'
import type { Answer, Converted, Format, Made, Request, Task, WriterId, Writing } from './protocol.ts'

/** What a document may have in the log to be read as content. */
const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024

/** A document in a format, as it is at a position. */
export interface Reading {
  readonly position: number
  readonly bytes: Uint8Array
}

export interface ReadingOptions {
  readonly format: Format
  /** The root type that holds the content. */
  readonly field: string
  readonly position?: number | undefined
}

export interface WritingOptions {
  readonly position: number | undefined
  readonly writer: WriterId | undefined
  readonly writing: Writing
  /** Told the position of what is changed before it is. May throw, to leave it. */
  readonly see: (position: number) => void
}

export interface ConversionsOptions {
  readonly log: UpdateLog
  readonly threads: ConversionThreads
  /** Of what is read for a document at an earlier position; see SourceRange. */
  readonly maxBytes: number
}

/**
 * Documents from the log to formats and back, in threads: 100 KB of Markdown take 0.1 to 0.5 s, in which nobody's edits
 * should wait. `user` is who asks.
 */
export class Conversions {
  readonly #options: ConversionsOptions

  constructor(options: ConversionsOptions) {
    this.#options = options
  }

  /**
   * What a document says, now or at a position; undefined for one that was never written.
   * @throws {FormatError} `format/too-big` for a document that is too large for any format but `update`
   * @throws {CoweaveError} as readContent(), toYjsJson() and sourceAt(), and `format/busy`, `format/too-many`
   * @throws {StorageError}
   */
  read(user: string, document: string, { format, field, position }: ReadingOptions): Promise<Reading | undefined> {
    const { log, threads, maxBytes } = this.#options
    return threads.use(user, async (thread) => {
      const source = await sourceAt(log, document, { position, maxBytes })
      if (source.position === 0) return undefined
      if (format !== 'update' && source.bytes > MAX_DOCUMENT_BYTES) throw tooLarge()
      const { bytes } = converted(await call(thread, { kind: 'read', format, field }, source))
      return { position: source.position, bytes }
    })
  }

  /**
   * Where a place is in a document as it is now; undefined for one that was never written.
   * @throws {CoweaveError} as anchorAt(), and as read()
   */
  async locate(user: string, document: string, place: NamedPlace): Promise<Anchor | undefined> {
    return await this.#ask(user, document, { kind: 'locate', place })
  }

  /**
   * What stands at anchors in a document as it is now: null where that is gone, or the document is too large to tell.
   * @throws {CoweaveError} `format/busy`, `format/too-many`  @throws {StorageError}
   */
  async quotes(user: string, document: string, anchors: readonly Anchor[]): Promise<readonly (string | null)[]> {
    const none = anchors.map(() => null)
    if (anchors.length === 0) return none
    const quotes: Promise<(string | null)[] | undefined> = this.#ask(user, document, { kind: 'quote', anchors })
    return (
      (await quotes.catch((error: unknown) => {
        // What is said about the document can be read all the same.
        if (error instanceof FormatError && error.code === 'format/too-big') return undefined
        throw error
      })) ?? none
    )
  }

  /**
   * How to change a document as it was at a position, or is now.
   * @throws {CoweaveError} as changeContent(), fromYjsJson() and sourceAt(), and `format/busy`, `format/too-many`
   * @throws {StorageError} @throws what `see` throws
   */
  write(user: string, document: string, { position, writer, see, writing }: WritingOptions): Promise<Made> {
    const { log, threads, maxBytes } = this.#options
    return threads.use(user, async (thread) => {
      const source = await sourceAt(log, document, { position, maxBytes })
      see(source.position)
      return made(await call(thread, { kind: 'write', writing, writer }, source))
    })
  }

  /** What a thread answers in JSON. */
  #ask(user: string, document: string, task: Extract<Task, { kind: 'locate' | 'quote' }>) {
    const { log, threads } = this.#options
    return threads.use(user, async (thread) => {
      const source = await newestSource(log, document)
      if (source.position === 0) return undefined
      if (source.bytes > MAX_DOCUMENT_BYTES) throw tooLarge()
      const { bytes } = converted(await call(thread, task, source))
      return JSON.parse(new TextDecoder().decode(bytes))
    })
  }
}

/** @throws {FormatError} `format/too-deep` for JSON that is too deep to be handed over */
async function call(thread: WorkerThread<Request, Answer>, task: Task, source: PackedSource): Promise<Answer> {
  try {
    return await thread.call({ task, source }, movedOf(source))
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new FormatError('format/too-deep', 'the content is nested too deep', { cause })
  }
}

function converted(answer: Answer): Converted {
  if (answer.kind === 'converted') return answer
  throw new TypeError('the thread answered something else than a document')
}

function made(answer: Answer): Made {
  if (answer.kind === 'made') return answer
  throw new TypeError('the thread answered something else than a change')
}

function tooLarge(): FormatError {
  return new FormatError('format/too-big', 'the document is too large for this format: read and write it as an update')
}
