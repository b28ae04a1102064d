import type { Logger } from 'pino'
import { CoweaveError } from '../../model/errors.ts'
import { HISTORY_FORGOTTEN } from '../../persistence/retention.ts'
import { StorageError } from '../../persistence/storage-error.ts'
import { DELETED, type UpdateLog } from '../../persistence/update-log.ts'
import type { CommittedUpdate, OpenDocument } from '../documents/open-document.ts'
import { LogEnds } from './log-ends.ts'

/** How long a gap may be one of order only, before the log is asked. */
const GAP_MS = 100
/** Documents that are opened together are checked together. */
const CHECK_MS = 10
/**
 * How often the log is asked what others have committed. With a relay too: an instance that alone is cut off from it
 * tells nobody, and nobody can know.
 */
const POLL_MS = 1_000
/** Documents that are read at the same time. */
const READS = 4
/** What may wait behind a gap in one document; more is read from the log. */
const MAX_WAITING = 1_000

/** A row as it was followed: when the server that took it did so, ms since 1970. */
export interface FollowedRow extends CommittedUpdate {
  readonly at: number
}

export interface FollowerOptions {
  readonly log: UpdateLog
  readonly logger: Logger
  /** A document that can't take what the log has, or lacks what the log has no more: it must be forgotten. */
  readonly onBroken: (open: OpenDocument) => void
  /** The log says that a document is deleted: it must be forgotten. */
  readonly onDeleted: (open: OpenDocument) => void
  /** The log says that a document has begun anew: it must be forgotten. */
  readonly onReset: (open: OpenDocument) => void
}

/** What was followed since the start. */
export interface FollowerCounts {
  /** Rows that came over the relay. */
  readonly relayed: number
  /** Rows that were read from the log. */
  readonly repaired: number
  /** The sum over both of how long ago they had been taken, ms. By two clocks. */
  readonly lateMs: number
}

interface Followed {
  readonly open: OpenDocument
  /** What came before rows below it. */
  readonly waiting: Map<number, FollowedRow>
  reading: Promise<void> | undefined
  next: Promise<void> | undefined
  timer: NodeJS.Timeout | undefined
}

/**
 * Keeps open documents at what the log has: the log is the truth, and what a relay brings is the shortcut. Rows are
 * taken in the order of their positions. Where one is missing, and every now and then, the log is asked.
 */
export class Follower {
  readonly #options: FollowerOptions
  readonly #ends: LogEnds
  readonly #followed = new Map<OpenDocument, Followed>()
  readonly #unchecked = new Set<OpenDocument>()
  readonly #pollTimer: NodeJS.Timeout
  #checkTimer: NodeJS.Timeout | undefined
  #isPolling = false
  #relayed = 0
  #repaired = 0
  #lateMs = 0

  constructor(options: FollowerOptions) {
    this.#options = options
    this.#ends = new LogEnds(options.log)
    this.#pollTimer = setInterval(() => void this.#poll(), POLL_MS)
    this.#pollTimer.unref()
  }

  get counts(): FollowerCounts {
    return { relayed: this.#relayed, repaired: this.#repaired, lateMs: this.#lateMs }
  }

  opened(open: OpenDocument): void {
    const entry = { open, waiting: new Map(), reading: undefined, next: undefined, timer: undefined }
    this.#followed.set(open, entry)
  }

  closed(open: OpenDocument): void {
    clearTimeout(this.#followed.get(open)?.timer)
    this.#followed.delete(open)
    this.#unchecked.delete(open)
  }

  /** Takes rows that the relay brought, of `open`. */
  receive(open: OpenDocument, rows: readonly FollowedRow[]): void {
    const entry = this.#followed.get(open)
    if (entry === undefined) return
    for (const row of rows) {
      if (open.cursor.has(row.position) || entry.waiting.size >= MAX_WAITING) continue
      entry.waiting.set(row.position, row)
    }
    this.#takeWaiting(entry)
    if (entry.waiting.size === 0 || entry.timer !== undefined) return
    entry.timer = setTimeout(() => {
      entry.timer = undefined
      if (entry.waiting.size > 0) void this.#catchUpOrLog(open)
    }, GAP_MS)
    entry.timer.unref()
  }

  /** Sees to it soon that documents have what was committed before this was called. */
  checkSoon(opens: Iterable<OpenDocument>): void {
    for (const open of opens) if (this.#followed.has(open)) this.#unchecked.add(open)
    this.#checkTimer ??= setTimeout(() => {
      this.#checkTimer = undefined
      const unchecked = [...this.#unchecked]
      this.#unchecked.clear()
      void this.#check(unchecked)
    }, CHECK_MS).unref()
  }

  checkAllSoon(): void {
    this.checkSoon(this.#followed.keys())
  }

  /**
   * Reads from the log what `open` lacks. Resolves once it has all that was committed before this was called, or is
   * closed.
   * @throws {StorageError}
   */
  async catchUp(open: OpenDocument): Promise<void> {
    const entry = this.#followed.get(open)
    if (entry === undefined) return
    if (entry.reading === undefined) return this.#read(entry)
    // What is being read may have been asked for earlier.
    entry.next ??= entry.reading
      .catch(() => {})
      .then(() => {
        entry.next = undefined
        return this.#read(entry)
      })
    return entry.next
  }

  close(): void {
    clearInterval(this.#pollTimer)
    clearTimeout(this.#checkTimer)
    for (const open of [...this.#followed.keys()]) this.closed(open)
  }

  #takeWaiting(entry: Followed): void {
    const { open, waiting } = entry
    for (const position of waiting.keys()) if (open.cursor.has(position)) waiting.delete(position)
    for (;;) {
      const row = waiting.get(open.cursor.position + 1)
      if (row === undefined) return
      waiting.delete(row.position)
      if (!this.#take(entry, row)) return
      this.#relayed += 1
    }
  }

  /** Whether the document took it. */
  #take({ open }: Followed, row: FollowedRow): boolean {
    try {
      open.follow(row)
    } catch (error) {
      this.#options.logger.error({ document: open.name, position: row.position, error }, 'a row can not be applied')
      this.closed(open)
      this.#options.onBroken(open)
      return false
    }
    this.#lateMs += Math.max(0, Date.now() - row.at)
    return true
  }

  #read(entry: Followed): Promise<void> {
    const reading = this.#readMissing(entry).finally(() => {
      entry.reading = undefined
    })
    entry.reading = reading
    return reading
  }

  async #readMissing(entry: Followed): Promise<void> {
    const { open } = entry
    const asOf = performance.now()
    const until = await this.#ends.of(open.name)
    if (until === DELETED) this.#deleted(open)
    else if (open.cursor.position < until)
      await this.#readUpTo(entry, until).catch((error) => this.#unreadable(open, error))
    open.cursor.asOf = Math.max(open.cursor.asOf, asOf)
  }

  /** What lacks rows that are forgotten by now is loaded anew: only the whole document has what they brought. */
  #unreadable(open: OpenDocument, error: unknown): void {
    if (!(error instanceof CoweaveError) || error.code !== HISTORY_FORGOTTEN) throw error
    if (!this.#followed.has(open)) return
    this.closed(open)
    this.#options.onBroken(open)
  }

  async #readUpTo(entry: Followed, until: number): Promise<void> {
    const { open } = entry
    const { log } = this.#options
    const clients = new Map<number, number[]>()
    for (const { client, position } of await log.claims(open.name, open.cursor.position)) {
      clients.set(position, [...(clients.get(position) ?? []), client])
    }
    for await (const row of log.read(open.name, open.cursor.position, until)) {
      if (!this.#followed.has(open)) return
      // Before any of it is taken: the first row deletes what there was, the second one is what is there now.
      if ((row.epoch ?? 0) !== open.epoch) {
        this.closed(open)
        this.#options.onReset(open)
        return
      }
      if (open.cursor.has(row.position)) continue
      if (!this.#take(entry, { ...row, clients: clients.get(row.position) ?? [] })) return
      this.#repaired += 1
    }
    this.#takeWaiting(entry)
  }

  async #poll(): Promise<void> {
    if (this.#isPolling) return
    this.#isPolling = true
    try {
      if (this.#followed.size > 0 && (await this.#options.log.hasChanged()))
        await this.#check([...this.#followed.keys()])
    } catch (error) {
      this.#problem(error)
    } finally {
      this.#isPolling = false
    }
  }

  async #check(opens: readonly OpenDocument[]): Promise<void> {
    try {
      const positions = await this.#options.log.positions(opens.map(({ name }) => name))
      opens.forEach((open, index) => {
        if (positions[index] === DELETED) this.#deleted(open)
      })
      const behind = opens.filter(({ cursor }, index) => cursor.position < (positions[index] ?? 0))
      const queue = behind.values()
      const readers = Array.from({ length: READS }, async () => {
        for (const open of queue) await this.#catchUpOrLog(open)
      })
      await Promise.all(readers)
    } catch (error) {
      this.#problem(error)
    }
  }

  #deleted(open: OpenDocument): void {
    if (!this.#followed.has(open)) return
    this.closed(open)
    this.#options.onDeleted(open)
  }

  async #catchUpOrLog(open: OpenDocument): Promise<void> {
    try {
      await this.catchUp(open)
    } catch (error) {
      this.#problem(error, open.name)
    }
  }

  /** It is tried again with the next poll. */
  #problem(error: unknown, document?: string): void {
    if (error instanceof StorageError && error.code === 'storage/closed') return
    this.#options.logger.warn({ document, error }, 'what others committed could not be read')
  }
}
