import pg from 'pg'
import { StorageError } from '../storage-error.ts'
import { isConnectionLost, toStorageError } from './postgres-errors.ts'
import { Session, type TransactionMode } from './session.ts'

const CONNECT_TIMEOUT_MS = 5_000
const KEEP_ALIVE_MS = 10_000
const KEEP_IDLE_MS = 5 * 60_000
/**
 * How long a statement may take before its connection is given up. By the clock of this process, since a server that
 * cancels a commit's wait for its replicas answers as if it had been replicated.
 */
const STATEMENT_TIMEOUT_MS = 60_000

export interface ConnectionOptions {
  readonly url: string
  /** The database, as errors name it. */
  readonly place: string
  /** How many may be open at once; who comes later waits, in order. */
  readonly max: number
  /** STATEMENT_TIMEOUT_MS by default; 0 for no end. */
  readonly statementTimeoutMs?: number
  /** Told of idle connections that were lost. */
  readonly onProblem: (error: Error) => void
}

/**
 * Connections to the database, opened when they are needed and again after they were lost. After an error a
 * connection is closed, so that the next call begins with a fresh one.
 */
export class Connections {
  readonly #pool: pg.Pool
  readonly #max: number
  readonly #waiting: (() => void)[] = []
  #used = 0

  constructor({ url, place, max, statementTimeoutMs = STATEMENT_TIMEOUT_MS, onProblem }: ConnectionOptions) {
    this.#max = max
    const options = {
      connectionString: url,
      application_name: 'coweave',
      max,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      idleTimeoutMillis: KEEP_IDLE_MS,
      query_timeout: statementTimeoutMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
      // Statements don't wait for the answers to those before them (session.ts).
      pipeline: true,
    }
    this.#pool = new pg.Pool(options)
    this.#pool.on('error', (error) => onProblem(toStorageError(error, `${place}: an idle connection was lost`)))
  }

  /** Runs single statements that read. Tried once more on another connection when this one is lost. */
  async read<T>(work: (session: Session) => Promise<T>): Promise<T> {
    try {
      return await this.#use(work)
    } catch (error) {
      if (!isConnectionLost(error)) throw error
      return await this.#use(work)
    }
  }

  /** Runs statements that all see the same moment, as read(). */
  async look<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return await this.read((session) => transaction(session, 'ISOLATION LEVEL REPEATABLE READ, READ ONLY', work))
  }

  /** Runs a transaction that is on disk once this resolves. After a rejection it may be, or not at all. */
  async write<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return await this.#use((session) => transaction(session, 'ISOLATION LEVEL READ COMMITTED', work))
  }

  /** Waits for connections in use. */
  async close(): Promise<void> {
    await this.#pool.end()
  }

  async #use<T>(work: (session: Session) => Promise<T>): Promise<T> {
    // Not the pool's own queue: it gives up waiting after the time that connecting may take.
    if (this.#used === this.#max) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#used += 1
    try {
      return await this.#connected(work)
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#used -= 1
      else next()
    }
  }

  async #connected<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect()
    // Between two statements nobody else would hear of a lost connection; the next statement tells.
    const ignore = () => {}
    client.on('error', ignore)
    let broken = true
    try {
      const result = await work(new Session(client))
      broken = false
      return result
    } catch (error) {
      broken = !(error instanceof StorageError) // ours: the connection is all right
      throw error
    } finally {
      client.off('error', ignore)
      client.release(broken)
    }
  }
}

async function transaction<T>(session: Session, mode: TransactionMode, work: (session: Session) => Promise<T>) {
  session.join(session.begin(mode))
  try {
    const result = await work(session)
    await session.commit()
    return result
  } catch (error) {
    if (error instanceof StorageError) await session.rollBack()
    throw error
  }
}
