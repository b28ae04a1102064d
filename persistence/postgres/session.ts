import type { Client } from 'pg'
import { StorageError } from '../storage-error.ts'

/** How long a transaction of ours may leave the server waiting for its next statement, with locks held. */
const IDLE_IN_TRANSACTION_MS = 10_000
const LOCK_TIMEOUT_MS = 20_000

/** The types, by their numbers in Postgres' catalog, that the driver reads as something else. */
const [INT8, BYTEA] = [20, 17]

// A commit returns once it is on disk, whatever the server's default. `remote_apply` waits for even more.
const SETTINGS = `
  set_config('synchronous_commit',
    CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true),
  set_config('statement_timeout', '0', true),
  set_config('lock_timeout', '${LOCK_TIMEOUT_MS}', true),
  set_config('idle_in_transaction_session_timeout', '${IDLE_IN_TRANSACTION_MS}', true)`

export type TransactionMode = 'ISOLATION LEVEL READ COMMITTED' | 'ISOLATION LEVEL REPEATABLE READ, READ ONLY'

/** Each statement's name, by which a connection keeps it prepared: parsing and planning cost more than most of them. */
const names = new Map<string, string>()

/**
 * A connection while somebody uses it. A statement is sent at once, also while others are not answered: those that don't
 * need each other's answers are one way to the server and back.
 */
export class Session {
  readonly #client: Client
  #joined: Promise<unknown>[] = []
  #isCommitted = false
  #isGathering = false

  constructor(client: Client) {
    this.#client = client
  }

  /** Runs one statement, of which there is a bounded number. Rows are arrays of columns: bigint as a number, bytea as bytes. */
  async rows(text: string, values: readonly unknown[] = []): Promise<unknown[][]> {
    if (this.#isCommitted) throw new Error('a statement behind the commit would be no part of the transaction')
    this.#gather()
    const name = nameOf(text)
    const result = await this.#client.query<unknown[]>({ name, text, values: [...values], rowMode: 'array' })
    result.fields.forEach(({ dataTypeID }, index) => {
      const read = dataTypeID === INT8 ? toNumber : dataTypeID === BYTEA ? toPlainBytes : undefined
      if (read !== undefined) for (const row of result.rows) row[index] = read(row[index])
    })
    return result.rows
  }

  /** Runs a script of several statements. */
  async run(script: string): Promise<void> {
    this.#gather()
    await this.#client.query(script)
  }

  /** Leaves it to commit() to wait for statements, which it is sent along with: all of them are done, or nothing is. */
  join(statements: Promise<unknown>): void {
    this.#joined.push(statements)
    statements.catch(() => {}) // commit() tells, unless a later statement has failed as well
  }

  async begin(mode: TransactionMode): Promise<void> {
    await this.run(`BEGIN ${mode}; SELECT ${SETTINGS}`)
  }

  /** Gives up all locks and begins a transaction that writes. */
  async restart(): Promise<void> {
    await this.rollBack()
    await this.begin('ISOLATION LEVEL READ COMMITTED')
  }

  /**
   * @throws what a joined statement failed with
   * @throws {StorageError} `storage/unavailable` when the server rolled back instead, or has committed with a warning:
   * somebody cancelled the wait for its replicas
   */
  async commit(): Promise<void> {
    let warning: string | undefined
    const listen = ({ severity, message }: { severity?: string | undefined; message?: string | undefined }) => {
      if (severity === 'WARNING') warning = message
    }
    this.#client.on('notice', listen)
    this.#gather()
    this.#isCommitted = true
    const committed = this.#client.query('COMMIT').finally(() => this.#client.off('notice', listen))
    const answers = await Promise.allSettled([...this.#joined, committed])
    for (const answer of answers) if (answer.status === 'rejected') throw answer.reason
    const { command } = await committed
    const problem = command === 'COMMIT' ? warning : `the transaction ended in ${command}`
    if (problem !== undefined) throw new StorageError('storage/unavailable', problem)
  }

  async rollBack(): Promise<void> {
    await this.run('ROLLBACK')
  }

  /** What is sent in one turn is one write: for this process, a write costs more than a statement. */
  #gather(): void {
    if (this.#isGathering) return
    this.#isGathering = true
    const { stream } = this.#client.connection
    stream.cork()
    process.nextTick(() => {
      this.#isGathering = false
      stream.uncork()
    })
  }
}

/** Runs work on a connection, in a transaction. */
export type Run = <T>(work: (session: Session) => Promise<T>) => Promise<T>

/** As Run; `what` is being done, as errors say it. */
export type RunAs = <T>(what: string, work: (session: Session) => Promise<T>) => Promise<T>

function nameOf(text: string): string {
  const name = names.get(text) ?? `coweave_${names.size}`
  names.set(text, name)
  return name
}

function toNumber(value: unknown): number | null {
  return value === null ? null : Number(value)
}

/** Not a Buffer, whose methods do other things than those of the same name elsewhere. */
function toPlainBytes(value: unknown): unknown {
  return value instanceof Uint8Array ? new Uint8Array(value.buffer, value.byteOffset, value.length) : value
}

/** Text that people or programs chose is stored as bytes, since Postgres' own has no U+0000. */
export function toBytes(text: string): Buffer {
  return Buffer.from(text)
}

/** What toBytes() made; anything else stays, for whoever verifies the row. */
export function toText(value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.length).toString() : value
}
