import { setTimeout as delay } from 'node:timers/promises'
import { roomOf } from '../../model/rooms.ts'
import { StorageError } from '../../persistence/storage-error.ts'
import type { NewUpdate, UpdateLog } from '../../persistence/update-log.ts'
import { movedOf, newestSource } from '../documents/source.ts'
import type { TextOfDocument } from './protocol.ts'
import type { SearchThreads } from './search-threads.ts'

/** How long more edits are waited for: the first one of many should not cost more than all of them. */
const GATHER_MS = 200
/** How long a text rests, so that what is committed meanwhile is found within a second. */
const MIN_REST_MS = 700
/** And in a document that is edited on and on: one whose last text was free for less than a while. */
const BUSY_REST_MS = 5_000
const QUIET_MS = 10_000
/**
 * And how much longer for what it is made of and what it is. Making and storing a text takes 0.1 to 0.2 µs a byte, so that
 * one document costs about a twentieth of a processor at most.
 */
const REST_MS_PER_BYTE = 0.004
/** Longer than making a text takes: after that its maker is taken for dead. */
export const CLAIM_MS = 60_000
/** How soon it is looked again at what another instance may be making, which takes less than its claim lasts. */
const LOOK_MS = 500
/** After each text nothing is done for so many times as long as it took: half of a processor is enough… */
const REST = 1
/** …and a tenth where the loop is busy for more than a part of the time. Who edits comes before who searches. */
const BUSY_LOOP_REST = 9
const BUSY_LOOP_SHARE = 0.5
/** How soon it is tried again to index a document that could not be, or anything while storage is away. */
const RETRY_MS = 600_000
const AWAY_MS = 10_000
/** How often it is looked for what an instance has left that was killed, and how many names are read at once. */
const SWEEP_MS = 300_000
/** The first time it has no hurry: those come back then who wait for their documents. */
const FIRST_SWEEP_MS = 1_000
const SWEEP_PAGE = 200
/** Documents that are larger in the log are found by no text. */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
/** Nobody's user: it waits for a thread like one. */
const USER = ''

export interface TextIndexerOptions {
  readonly log: UpdateLog
  readonly threads: SearchThreads
  /** For how much of the time since it was last asked the event loop was busy, 0 to 1. */
  readonly busyShare: () => number
  readonly onProblem: (error: unknown, document: string | undefined) => void
}

/**
 * Keeps the texts of documents up to date, for who searches: those that this instance commits to within a second, or five
 * while that goes on, and whatever else is older than the log, at the start and now and then. One document at a time, and
 * only a part of the time, a smaller one where the server is busy. Instances that commit to the same document take turns by
 * claims in the log.
 */
export class TextIndexer {
  readonly #options: TextIndexerOptions
  readonly #timers = new Map<string, NodeJS.Timeout>()
  /** Whose turn it is, the first one first. */
  readonly #due = new Set<string>()
  #lagging: string[] = []
  /** Where to go on looking for what lags; undefined when all was looked at. */
  #sweptTo: number | undefined
  #sweeps: NodeJS.Timeout | undefined
  readonly #stopping = new AbortController()
  #running: Promise<void> | undefined

  constructor(options: TextIndexerOptions) {
    this.#options = options
  }

  start(): void {
    this.#sweeps = setTimeout(() => this.#sweep(), FIRST_SWEEP_MS).unref()
  }

  /** A batch is on disk, whose updates are at these positions, 0 for one that was left out. */
  committed(batch: readonly NewUpdate[], positions: readonly number[]): void {
    batch.forEach(({ document }, index) => {
      if (positions[index] !== 0) this.#want(document, GATHER_MS)
    })
  }

  /** Leaves what is not done to the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    clearTimeout(this.#sweeps)
    for (const timer of this.#timers.values()) clearTimeout(timer)
    await this.#running
  }

  #want(document: string, inMs: number): void {
    if (this.#stopping.signal.aborted || this.#timers.has(document) || this.#due.has(document)) return
    if (!isSearched(document)) return
    const begin = () => {
      this.#timers.delete(document)
      this.#due.add(document)
      this.#begin()
    }
    this.#timers.set(document, setTimeout(begin, inMs).unref())
  }

  #sweep(): void {
    this.#sweeps = setTimeout(() => this.#sweep(), SWEEP_MS).unref()
    this.#sweptTo ??= 0
    this.#begin()
  }

  #begin(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  async #run(): Promise<void> {
    for (;;) {
      const document = await this.#next()
      if (document === undefined || this.#stopping.signal.aborted) return
      const restMs = await this.#index(document)
      await delay(restMs, undefined, { signal: this.#stopping.signal }).catch(() => {}) // it stops
    }
  }

  /** What was edited comes before what lags. */
  async #next(): Promise<string | undefined> {
    const [due] = this.#due
    if (due !== undefined) {
      this.#due.delete(due)
      return due
    }
    while (this.#lagging.length === 0 && this.#sweptTo !== undefined) await this.#findLagging(this.#sweptTo)
    return this.#lagging.shift()
  }

  async #findLagging(after: number): Promise<void> {
    const { log, onProblem } = this.#options
    try {
      const { documents, next } = await log.texts.lagging({ after, limit: SWEEP_PAGE })
      this.#lagging = documents.filter((document) => isSearched(document) && !this.#timers.has(document))
      this.#sweptTo = next
    } catch (error) {
      onProblem(error, undefined)
      this.#sweptTo = undefined // until the next time
    }
  }

  /** Resolves with how long to do nothing, by how long it took without what was waited for. */
  async #index(document: string): Promise<number> {
    const { log, threads, onProblem } = this.#options
    try {
      const claim = await log.texts.claim(document, CLAIM_MS)
      if (claim.kind === 'wait') this.#want(document, claim.ms <= BUSY_REST_MS ? claim.ms : LOOK_MS)
      if (claim.kind !== 'claimed') return 0
      const { position, bytes, text, ms } = await textOf(log, threads, document)
      const began = performance.now()
      const restMs = Math.max(claim.freeForMs < QUIET_MS ? BUSY_REST_MS : MIN_REST_MS, restOf(bytes + text.length))
      await log.texts.put({ key: claim.key, position, text, restMs })
      const tookMs = ms + performance.now() - began
      return tookMs * (this.#options.busyShare() > BUSY_LOOP_SHARE ? BUSY_LOOP_REST : REST)
    } catch (error) {
      onProblem(error, document)
      const isAway = error instanceof StorageError && error.code !== 'storage/corrupt'
      this.#want(document, isAway ? AWAY_MS : RETRY_MS)
      return isAway ? AWAY_MS : 0
    }
  }
}

/** What a document says, as it is in the log. */
export function textOf(
  log: UpdateLog,
  threads: SearchThreads,
  document: string,
): Promise<TextOfDocument & { readonly position: number; readonly bytes: number }> {
  return threads.use(USER, async (thread) => {
    const source = await newestSource(log, document)
    const { position, bytes } = source
    if (bytes > MAX_DOCUMENT_BYTES) return { position, bytes, text: new Uint8Array(0), ms: 0 }
    const made = await thread.call({ task: 'text', source }, movedOf(source))
    if ('text' in made) return { position, bytes, ...made }
    throw new TypeError('the thread answered something else than a text')
  })
}

/** How long nobody makes the text of a document anew, ms, for what it was made of and what it is. */
export function restOf(bytes: number): number {
  return Math.max(MIN_REST_MS, Math.round(bytes * REST_MS_PER_BYTE))
}

/** Rooms have an archive of their messages; and a name of an older time with other rules nobody can open. */
export function isSearched(document: string): boolean {
  try {
    return roomOf(document) === undefined
  } catch {
    return false
  }
}
