import type { Disowned, PeopleStore, PersonTrace, StoredErasure } from '../people-store.ts'
import type { DisownReply } from './disowner.ts'
import type { TracePage } from './people-table.ts'
import { unpackPosition, unpackText } from './plain-replies.ts'
import type { WorkerRole } from './protocol.ts'
import type { Ask, SqliteThread } from './sqlite-thread.ts'

export interface SqlitePeopleOptions {
  readonly read: Ask
  readonly write: Ask
  /** Asks the thread that makes snapshots. */
  readonly compact: Ask
  /** Starts a thread of its own for what takes long. */
  readonly start: (role: WorkerRole) => SqliteThread
  readonly end: (thread: SqliteThread) => Promise<void>
  readonly refuseIfClosed: () => void
}

/** What an SQLite log keeps of people. */
export class SqlitePeople implements PeopleStore {
  readonly #options: SqlitePeopleOptions

  constructor(options: SqlitePeopleOptions) {
    this.#options = options
  }

  async *traces(user: string): AsyncGenerator<PersonTrace> {
    const thread = this.#options.start('reader')
    try {
      for (let after: string | undefined = ''; after !== undefined; ) {
        const answer: Uint8Array<ArrayBuffer> = await thread.call({ kind: 'traces', user, after })
        const { traces, next }: TracePage = JSON.parse(unpackText(answer))
        yield* traces
        after = next
      }
    } finally {
      await this.#options.end(thread)
    }
  }

  async disown(user: string, pseudonym: string): Promise<Disowned> {
    const sum = { updates: 0, clients: 0, versions: 0, deletions: 0, seen: 0 }
    const thread = this.#options.start('eraser')
    try {
      for (;;) {
        const answer: Uint8Array<ArrayBuffer> = await thread.call({ kind: 'disown', user, pseudonym })
        const { disowned, isDone }: DisownReply = JSON.parse(unpackText(answer))
        sum.updates += disowned.updates
        sum.clients += disowned.clients
        sum.versions += disowned.versions
        sum.deletions += disowned.deletions
        sum.seen += disowned.seen
        if (isDone) return sum
        this.#options.refuseIfClosed()
      }
    } finally {
      await this.#options.end(thread)
    }
  }

  async scrub(document: string, user: string): Promise<number> {
    return unpackPosition(await this.#options.compact({ kind: 'scrub', document, user }))
  }

  async sweep(): Promise<void> {
    const thread = this.#options.start('eraser')
    await thread.call({ kind: 'sweep' }).finally(() => this.#options.end(thread))
  }

  async saveErasure(erasure: StoredErasure): Promise<void> {
    await this.#options.write({ kind: 'save-erasure', erasure })
  }

  async erasure(id: string): Promise<StoredErasure | undefined> {
    const [found] = await this.#erasures(id, 0)
    return found
  }

  erasures(since: number): Promise<StoredErasure[]> {
    return this.#erasures(undefined, since)
  }

  async #erasures(id: string | undefined, since: number): Promise<StoredErasure[]> {
    return JSON.parse(unpackText(await this.#options.read({ kind: 'erasures', id, since })))
  }
}
