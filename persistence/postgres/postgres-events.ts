import type { KeyRing } from '../encryption.ts'
import type { EventRange, EventStore, StoredEvent } from '../event-store.ts'
import {
  claimConsumer,
  forgetEvents,
  lastNumber,
  passEvents,
  readEvents,
  releaseConsumer,
  removeEvents,
} from './event-table.ts'
import type { Session } from './session.ts'

type Run = <T>(work: (session: Session) => Promise<T>) => Promise<T>

/** The events of a log in Postgres. */
export class PostgresEvents implements EventStore {
  readonly #keys: KeyRing | undefined
  readonly #read: Run
  readonly #write: Run

  constructor(keys: KeyRing | undefined, { read, write }: { readonly read: Run; readonly write: Run }) {
    this.#keys = keys
    this.#read = read
    this.#write = write
  }

  read(range: EventRange): Promise<StoredEvent[]> {
    return this.#read((session) => readEvents(session, this.#keys, range))
  }

  last(): Promise<number> {
    return this.#read(lastNumber)
  }

  forget(options: { readonly before: number; readonly limit: number }): Promise<number> {
    return this.#write((session) => forgetEvents(session, options))
  }

  remove(numbers: readonly number[]): Promise<number> {
    return this.#write((session) => removeEvents(session, numbers))
  }

  claim(consumer: string, options: { readonly owner: string; readonly forMs: number }): Promise<number | undefined> {
    return this.#write((session) => claimConsumer(session, consumer, options))
  }

  pass(consumer: string, options: { readonly owner: string; readonly last: number }): Promise<boolean> {
    return this.#write((session) => passEvents(session, consumer, options))
  }

  release(consumer: string, owner: string): Promise<void> {
    return this.#write((session) => releaseConsumer(session, consumer, owner))
  }
}
