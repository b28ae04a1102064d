import type { KeyRing } from '../encryption.ts'
import {
  type EventRange,
  type EventStore,
  type NewEvent,
  type StoredEvent,
  tellDamages,
  type UntoldChange,
} from '../event-store.ts'
import { readUntold, takeChanges } from './change-table.ts'
import {
  claimConsumer,
  forgetEvents,
  lastNumber,
  lastPassed,
  passEvents,
  readEvents,
  releaseConsumer,
  removeEvents,
  storeEvents,
} from './event-table.ts'
import type { Run } from './session.ts'

export interface PostgresEventsOptions {
  readonly read: Run
  readonly write: Run
  /** Told of damaged events that are read. */
  readonly onProblem: (error: Error) => void
}

/** The events of a log in Postgres. */
export class PostgresEvents implements EventStore {
  readonly #keys: KeyRing | undefined
  readonly #read: Run
  readonly #write: Run
  readonly #onProblem: (error: Error) => void

  constructor(keys: KeyRing | undefined, { read, write, onProblem }: PostgresEventsOptions) {
    this.#keys = keys
    this.#read = read
    this.#write = write
    this.#onProblem = onProblem
  }

  async read(range: EventRange): Promise<StoredEvent[]> {
    const events = await this.#read((session) => readEvents(session, this.#keys, range))
    return tellDamages(events, this.#onProblem)
  }

  last(): Promise<number> {
    return this.#read(lastNumber)
  }

  untold(options: Parameters<EventStore['untold']>[0]): Promise<UntoldChange[]> {
    return this.#read((session) => readUntold(session, options))
  }

  add(events: readonly NewEvent[]): Promise<void> {
    return this.#write((session) => storeEvents(session, this.#keys, events))
  }

  tellChanges(documents: readonly string[]): Promise<void> {
    return this.#write(async (session) => storeEvents(session, this.#keys, await takeChanges(session, documents)))
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

  passed(consumer: string): Promise<number> {
    return this.#read((session) => lastPassed(session, consumer))
  }

  release(consumer: string, owner: string): Promise<void> {
    return this.#write((session) => releaseConsumer(session, consumer, owner))
  }
}
