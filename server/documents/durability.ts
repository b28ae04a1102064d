import type { NewUpdate, UpdateLog } from '../../persistence/update-log.ts'
import { COUNTS, Distribution, SECONDS } from '../metrics/distribution.ts'
import { tracedAlone } from '../tracing/spans.ts'

const FIRST_RETRY_MS = 50
const LONGEST_RETRY_MS = 1_000
/** How long it is believed that storage takes writes, since one has shown it. */
const TRUSTED_MS = 2_000
/** How long check() waits for the answer of storage. */
const CHECK_TIMEOUT_MS = 2_000

export interface DurabilityOptions {
  /** How long an update may wait for its commit, ms. */
  readonly commitTimeoutMs: number
  readonly onFailure: (error: unknown) => void
  /** A batch is on disk, each update at its position: 0 for one that the log left out. Before anybody hears of it. */
  readonly onCommitted?: (batch: readonly NewUpdate[], positions: readonly number[]) => void
  /**
   * The log has left out an update of these documents, since another instance was first to use its Yjs client id: what
   * they hold in memory must be forgotten. What else of them waited is given up.
   */
  readonly onRefused?: (documents: ReadonlySet<string>) => void
  /** Commits failed for too long: these documents hold updates that the log may not have. */
  readonly onLost: (documents: ReadonlySet<string>) => void
  readonly onRecovered: () => void
}

/** An update that waits for its commit. */
interface Waiting {
  readonly update: NewUpdate
  /** Called with its position, or undefined when it was given up. */
  readonly onSettled: ((position: number | undefined) => void) | undefined
}

/** What is being written: some of what waited may have been given up. */
interface Batch {
  readonly waiting: readonly Waiting[]
  readonly updates: readonly NewUpdate[]
  /** How many updates were taken, with those given up. */
  readonly count: number
}

const NOTHING: Batch = { waiting: [], updates: [], count: 0 }

/**
 * Takes updates and sees to it that they reach the log, in order, one batch at a time: while one is written, the
 * next one fills. Who may learn of an update asks here: everything counts as `appended` when it is taken and as
 * `committed` once it is on disk, over all documents together, so that one number tells what may leave.
 *
 * A commit that fails is tried again while everyone waits. After `commitTimeoutMs` the waiting updates are given
 * up: `onLost` names their documents, which must be forgotten together with everything that reveals them.
 */
export class Durability {
  appended = 0
  committed = 0
  /** Bytes taken and not yet committed. */
  waitingBytes = 0
  /** How long commits took, seconds, and how many updates each of them had; those that failed are counted alone. */
  readonly commits = { seconds: new Distribution(SECONDS), updates: new Distribution(COUNTS), failed: 0 }
  readonly #log: UpdateLog
  readonly #options: DurabilityOptions
  readonly #listeners = new Set<() => void>()
  /** Runs while anything waits. */
  #watch: NodeJS.Timeout | undefined
  #queue: Waiting[] = []
  /** Of the queue, what was given up: it counts as committed together with what it stood between. */
  #givenUp = 0
  #inFlight = NOTHING
  #writing = false
  #failing = false
  #lost = false
  /** Whether a write is wanted that only shows whether storage takes one. */
  #checking = false
  /** Called once, when the next attempt to write has ended. */
  readonly #onAttempt = new Set<() => void>()
  /** When the last write succeeded. */
  #wroteAt = Number.NEGATIVE_INFINITY
  #closed = false

  constructor(log: UpdateLog, options: DurabilityOptions) {
    this.#log = log
    this.#options = options
  }

  /** Whether storage takes writes, as far as the last attempt showed. */
  get healthy(): boolean {
    return !this.#failing
  }

  /**
   * Whether storage takes writes. Where nothing has been written lately it is tried with an empty batch, so that a
   * server at rest notices too. Storage that doesn't answer in time takes none.
   */
  async check(): Promise<boolean> {
    if (this.#closed || this.#failing || performance.now() - this.#wroteAt < TRUSTED_MS) return this.healthy
    const attempted = new Promise<boolean>((resolve) => this.#onAttempt.add(() => resolve(true)))
    const tooLate = new Promise<boolean>((resolve) => setTimeout(resolve, CHECK_TIMEOUT_MS, false).unref())
    this.#checking = true
    this.#start()
    return (await Promise.race([attempted, tooLate])) && this.healthy
  }

  /**
   * Takes an update. One that `follows` another comes right behind it, in the same turn: then it is in the same batch.
   * It is committed when `committed` reaches the value that `appended` has now. `onSettled` is called
   * then, before anybody hears of it: with its position, 0 if the log has left it out, undefined if it was given up.
   */
  append(update: NewUpdate, onSettled?: (position: number | undefined) => void): void {
    this.#queue.push({ update, onSettled })
    this.appended += 1
    this.waitingBytes += bytesOf(update)
    this.#watch ??= this.#startWatch()
    this.#start()
  }

  /** Calls `listener` after each commit, and after updates were given up. Returns how to stop. */
  onCommit(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves once all that was taken before the call is committed, or was given up. */
  settled(): Promise<void> {
    const target = this.appended
    if (this.committed >= target) return Promise.resolve()
    return new Promise((resolve) => {
      const stop = this.onCommit(() => {
        if (this.committed < target) return
        stop()
        resolve()
      })
    })
  }

  /** Ends the retries; what waits stays uncommitted. Call settled() before. */
  close(): void {
    this.#closed = true
    clearInterval(this.#watch)
  }

  #start(): void {
    if (this.#writing) return
    this.#writing = true
    // After the sockets' data of this turn, so that it goes into one batch.
    setImmediate(() => {
      void this.#write()
    })
  }

  async #write(): Promise<void> {
    let retryMs = FIRST_RETRY_MS
    while (!this.#closed && this.#hasReason()) {
      if (this.#inFlight.count === 0) this.#take()
      const batch = this.#inFlight
      const { length } = batch.updates
      try {
        if (length === 0) await this.#commit(batch)
        else await tracedAlone('commit', { 'coweave.updates': length }, () => this.#commit(batch))
        retryMs = FIRST_RETRY_MS
      } catch (error) {
        this.commits.failed += 1
        this.#failing = true
        this.#attempted()
        this.#options.onFailure(error)
        await new Promise((resolve) => setTimeout(resolve, retryMs))
        retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS)
      }
    }
    this.#writing = false
  }

  async #commit(batch: Batch): Promise<void> {
    const startedAt = performance.now()
    const positions = await this.#log.append(batch.updates)
    this.#wroteAt = performance.now()
    if (batch.updates.length > 0) {
      this.commits.seconds.observe((this.#wroteAt - startedAt) / 1_000)
      this.commits.updates.observe(batch.updates.length)
    }
    this.#checking = false
    // Given up meanwhile: nobody waits for it any more, and storing it did no harm.
    if (batch === this.#inFlight) this.#finish(batch, positions)
    this.#recover()
    this.#attempted()
  }

  #attempted(): void {
    for (const listener of this.#onAttempt) listener()
    this.#onAttempt.clear()
  }

  #hasReason(): boolean {
    return this.#queue.length + this.#givenUp + this.#inFlight.count > 0 || this.#failing || this.#checking
  }

  #take(): void {
    const waiting = this.#queue
    this.#inFlight = { waiting, updates: waiting.map(({ update }) => update), count: waiting.length + this.#givenUp }
    this.#queue = []
    this.#givenUp = 0
  }

  #finish({ waiting, updates, count }: Batch, positions: readonly number[]): void {
    this.#inFlight = NOTHING
    this.#refuse(updates, positions)
    this.committed += count
    for (const update of updates) this.waitingBytes -= bytesOf(update)
    this.#options.onCommitted?.(updates, positions)
    waiting.forEach(({ onSettled }, index) => {
      onSettled?.(positions[index])
    })
    this.#notify()
  }

  /** Before `committed` moves: what was told on the ground of an update that was left out must not leave. */
  #refuse(updates: readonly NewUpdate[], positions: readonly number[]): void {
    if (!positions.includes(0)) return
    const isRefused = ({ expects, follows }: NewUpdate, index: number) =>
      positions[index] === 0 && expects === undefined && follows !== true
    const refused = new Set(updates.filter(isRefused).map(({ document }) => document))
    if (refused.size === 0) return
    let isLeaderDropped = false
    const isDropped = ({ document, follows }: NewUpdate) => {
      // It falls with the one that it follows, and is not built on what its own document holds.
      if (follows !== true) isLeaderDropped = refused.has(document)
      return isLeaderDropped
    }
    const [dropped, kept]: [Waiting[], Waiting[]] = [[], []]
    for (const waiting of this.#queue) (isDropped(waiting.update) ? dropped : kept).push(waiting)
    this.#queue = kept
    this.#givenUp += dropped.length
    for (const { update } of dropped) this.waitingBytes -= bytesOf(update)
    this.#options.onRefused?.(refused)
    for (const { onSettled } of dropped) onSettled?.(undefined)
  }

  #recover(): void {
    if (!this.#failing) return
    this.#failing = false
    if (this.#lost) this.#options.onRecovered()
    this.#lost = false
  }

  #startWatch(): NodeJS.Timeout {
    const everyMs = Math.min(500, this.#options.commitTimeoutMs / 4)
    return setInterval(() => this.#giveUpWhenTooLate(), everyMs).unref()
  }

  #giveUpWhenTooLate(): void {
    const waiting = [...this.#inFlight.waiting, ...this.#queue]
    const [oldest] = waiting
    if (oldest === undefined || this.#closed) {
      clearInterval(this.#watch)
      this.#watch = undefined
      return
    }
    if (Date.now() - oldest.update.at < this.#options.commitTimeoutMs) return
    const documents = new Set(waiting.map(({ update }) => update.document))
    this.#inFlight = NOTHING
    this.#queue = []
    this.#givenUp = 0
    this.#failing = true
    this.#lost = true
    // Before `committed` moves: nothing that waits for these updates may leave.
    this.#options.onLost(documents)
    this.committed = this.appended
    this.waitingBytes = 0
    for (const { onSettled } of waiting) onSettled?.(undefined)
    this.#notify()
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}

function bytesOf({ data, messages = [], events }: NewUpdate): number {
  const bytes = messages.reduce((sum, { json }) => sum + json.length, data.length)
  return events === undefined ? bytes : events.reduce((sum, { json }) => sum + json.length, bytes)
}
