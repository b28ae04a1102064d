import { CoweaveError } from '../../model/errors.ts'
import type { EditingSession } from '../../model/history.ts'
import { packRows } from '../../persistence/packed-rows.ts'
import { HISTORY_FORGOTTEN, type HistoryStart, historyForgotten } from '../../persistence/retention.ts'
import type { LogRow, UpdateLog } from '../../persistence/update-log.ts'
import type { WorkerThread } from '../../persistence/worker-thread.ts'
import { movedOf, readSource } from '../documents/source.ts'
import { type MeasuredRow, SessionGrouping } from './editing-sessions.ts'
import type { HistoryThreads } from './history-threads.ts'
import { positionAt } from './position-at.ts'
import type { Answer, Request, Task } from './protocol.ts'
import type { Volume } from './volume.ts'

/** Rows that sessions are made from at a time. */
const PAGE_ROWS = 1_000
/** And of how many bytes they are measured at a time. */
const MEASURED_BYTES = 1024 * 1024
/** Rows looked at for one page of sessions at most. */
const MAX_SESSION_ROWS = 50_000

export interface HistoryOptions {
  readonly log: UpdateLog
  readonly threads: HistoryThreads
  /** Of what is read for one question; see SourceRange. */
  readonly maxBytes: number
}

/** A page of sessions, newest first. */
export interface SessionPage {
  readonly sessions: readonly EditingSession[]
  /** What to give as `before` to go on; undefined where the history begins. */
  readonly next: number | undefined
  /** Where that is; undefined unless rows are forgotten. */
  readonly begins: HistoryStart | undefined
}

/** A document at earlier positions, and who wrote it, out of the log alone. `user` is who asks. */
export class History {
  readonly #log: UpdateLog
  readonly #threads: HistoryThreads
  readonly #maxBytes: number

  constructor({ log, threads, maxBytes }: HistoryOptions) {
    this.#log = log
    this.#threads = threads
    this.#maxBytes = maxBytes
  }

  /** The last position of a document; 0 for an unknown one. @throws {StorageError} */
  async lastPosition(document: string): Promise<number> {
    const [position = 0] = await this.#log.positions([document])
    return position
  }

  /**
   * The last position that was committed no later than `at`, ms; 0 for before the first one. Clocks of several instances
   * may differ: then it is about that.
   * @throws {CoweaveError} `history/forgotten` for a time before the history begins
   * @throws {StorageError}
   */
  positionAt(document: string, at: number): Promise<number> {
    return steadily(() => positionAt(this.#log, document, at))
  }

  /**
   * The document as it was at a position, as a Yjs update.
   * @throws {CoweaveError} `history/no-such-position`, `history/forgotten`, `history/too-big`, and as ThreadPool.use()
   * @throws {StorageError} as UpdateLog.load()
   */
  async state(user: string, document: string, position: number): Promise<Uint8Array> {
    await this.refuseOutside(document, position)
    return bytesIn(await this.#compute(user, document, { base: position, until: position }, { kind: 'state' }))
  }

  /** What changed from one position to another, as the JSON of a `Difference`. @throws as state() */
  async difference(user: string, document: string, from: number, to: number): Promise<string> {
    await this.refuseOutside(document, from, to)
    if (from > to) throw new CoweaveError('history/no-such-position', `from is ${from}, and must not be above ${to}`)
    const task: Task = { kind: 'difference', from }
    return textIn(await this.#compute(user, document, { base: from, until: to }, task))
  }

  /**
   * Who wrote what there is at a position, as the JSON of a `Difference` from nothing. What was there before the history
   * begins has no change.
   * @throws as state()
   */
  async blame(user: string, document: string, position: number): Promise<string> {
    await this.refuseOutside(document, position)
    return textIn(await this.#compute(user, document, { until: position }, { kind: 'difference', from: 0 }))
  }

  /**
   * The update that takes back what was done above `after` and up to `until`, by `author` or by all; undefined where that
   * is nothing.
   * @throws as state()
   */
  async reverting(
    user: string,
    document: string,
    { after, until, author }: { readonly after: number; readonly until: number; readonly author?: string },
  ): Promise<Uint8Array | undefined> {
    await this.refuseOutside(document, after, until)
    const answer = await this.#compute(user, document, { base: after, until }, { kind: 'revert', after, author })
    return answer === undefined ? undefined : bytesIn(answer)
  }

  /**
   * Who edited from when to when: a page of sessions at positions below `before`. A page ends where everybody paused, so
   * that it may hold more than `limit`; or after very many rows, and may then cut sessions in two.
   * @throws as state()
   */
  sessions(
    user: string,
    document: string,
    { before, limit, pauseMs }: { readonly before: number; readonly limit: number; readonly pauseMs: number },
  ): Promise<SessionPage> {
    return this.#threads.use(user, (thread) =>
      steadily(() => this.#sessions(thread, document, { before, limit, pauseMs })),
    )
  }

  async #sessions(
    thread: HistoryThread,
    document: string,
    { before, limit, pauseMs }: { readonly before: number; readonly limit: number; readonly pauseMs: number },
  ): Promise<SessionPage> {
    const grouping = new SessionGrouping(pauseMs)
    const start = await this.#log.retention.historyStart(document)
    const begins = start.position === 0 ? undefined : start
    let end = Math.min(before - 1, await this.lastPosition(document))
    for (let looked = 0; end > start.position && looked < MAX_SESSION_ROWS; ) {
      const rows = await this.#measured(thread, document, Math.max(start.position, end - PAGE_ROWS), end)
      for (const row of rows.toReversed()) {
        if (grouping.isPause(row.at) && grouping.count >= limit)
          return { sessions: grouping.end(), next: row.position + 1, begins }
        grouping.add(row)
        end = row.position - 1
      }
      looked += rows.length
    }
    return { sessions: grouping.end(), next: end > start.position ? end + 1 : undefined, begins }
  }

  /** Rows above `after` and up to `until`, of which memory holds some at a time. */
  async #measured(thread: HistoryThread, document: string, after: number, until: number): Promise<MeasuredRow[]> {
    const measured: MeasuredRow[] = []
    let [rows, bytes] = [[] as LogRow[], 0]
    const measure = async () => {
      const page = packRows(rows)
      const source = { document, position: until, bytes: page.length, snapshot: undefined, pages: [page] }
      const volumes: readonly Volume[] = JSON.parse(
        textIn(await thread.call({ task: { kind: 'volumes' }, source }, [page])),
      )
      for (const [index, { position, at, author }] of rows.entries()) {
        measured.push({ position, at, author, ...(volumes[index] ?? { inserted: 0, deleted: 0 }) })
      }
      ;[rows, bytes] = [[], 0]
    }
    for await (const row of this.#log.read(document, after, until)) {
      rows.push(row)
      bytes += row.data.length
      if (bytes >= MEASURED_BYTES) await measure()
    }
    if (rows.length > 0) await measure()
    return measured
  }

  /**
   * @throws {CoweaveError} `history/no-such-position` for a position that the document never had, `history/forgotten` for
   * one that it has no more
   */
  async refuseOutside(document: string, ...positions: readonly number[]): Promise<void> {
    await this.refuseUnknown(document, ...positions)
    const start = await this.#log.retention.historyStart(document)
    if (positions.some((position) => position < start.position)) throw historyForgotten(document, start)
  }

  /** @throws {CoweaveError} `history/no-such-position` for a position that the document never had */
  async refuseUnknown(document: string, ...positions: readonly number[]): Promise<void> {
    const last = await this.lastPosition(document)
    const wrong = positions.find((position) => position < 0 || position > last)
    if (wrong === undefined) return
    throw new CoweaveError('history/no-such-position', `${document} has the positions 0 to ${last}, not ${wrong}`)
  }

  /**
   * Has a thread do something with the rows up to `until`, from a snapshot that is not above `base`, or from where the
   * history begins.
   */
  #compute(
    user: string,
    document: string,
    { base, until }: { readonly base?: number | undefined; readonly until: number },
    task: Task,
  ): Promise<Answer> {
    return this.#threads.use(user, async (thread) => {
      const source = await steadily(() => readSource(this.#log, document, { base, until, maxBytes: this.#maxBytes }))
      return await thread.call({ task, source }, movedOf(source))
    })
  }
}

type HistoryThread = WorkerThread<Request, Answer>

/** Reads once more where the beginning of the history has moved meanwhile. */
async function steadily<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (!(error instanceof CoweaveError) || error.code !== HISTORY_FORGOTTEN) throw error
    return await read()
  }
}

function bytesIn(answer: Answer): Uint8Array {
  if (answer instanceof Uint8Array) return answer
  throw new TypeError('the thread answered something else than bytes')
}

function textIn(answer: Answer): string {
  if (typeof answer === 'string') return answer
  throw new TypeError('the thread answered something else than text')
}
