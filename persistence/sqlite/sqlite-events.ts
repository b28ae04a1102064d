import { type EventRange, type EventStore, type StoredEvent, tellDamages, type UntoldChange } from '../event-store.ts'
import type { EventCall } from './event-table.ts'
import { unpackText } from './plain-replies.ts'

type Ask = (call: EventCall) => Promise<Uint8Array<ArrayBuffer>>

export interface SqliteEventsOptions {
  readonly read: Ask
  readonly write: Ask
  /** Told of damaged events that are read. */
  readonly onProblem: (error: Error) => void
}

/** The events of an SQLite log: each call goes to a thread, which answers in JSON. */
export class SqliteEvents implements EventStore {
  readonly #read: Ask
  readonly #write: Ask
  readonly #onProblem: (error: Error) => void

  constructor({ read, write, onProblem }: SqliteEventsOptions) {
    this.#read = read
    this.#write = write
    this.#onProblem = onProblem
  }

  async read(range: EventRange): Promise<StoredEvent[]> {
    const events: StoredEvent[] = JSON.parse(unpackText(await this.#read({ name: 'read', given: [range] })))
    return tellDamages(events, this.#onProblem)
  }

  async last(): Promise<number> {
    return JSON.parse(unpackText(await this.#read({ name: 'last', given: [] })))
  }

  async untold(...given: Parameters<EventStore['untold']>): Promise<UntoldChange[]> {
    return JSON.parse(unpackText(await this.#read({ name: 'untold', given })))
  }

  async add(...given: Parameters<EventStore['add']>): Promise<void> {
    await this.#write({ name: 'add', given })
  }

  async tellChanges(...given: Parameters<EventStore['tellChanges']>): Promise<void> {
    await this.#write({ name: 'tellChanges', given })
  }

  async forget(...given: Parameters<EventStore['forget']>): Promise<number> {
    return JSON.parse(unpackText(await this.#write({ name: 'forget', given })))
  }

  async remove(numbers: readonly number[]): Promise<number> {
    return JSON.parse(unpackText(await this.#write({ name: 'remove', given: [numbers] })))
  }

  async claim(...given: Parameters<EventStore['claim']>): Promise<number | undefined> {
    return JSON.parse(unpackText(await this.#write({ name: 'claim', given }))) ?? undefined
  }

  async pass(...given: Parameters<EventStore['pass']>): Promise<boolean> {
    return JSON.parse(unpackText(await this.#write({ name: 'pass', given })))
  }

  async passed(consumer: string): Promise<number> {
    return JSON.parse(unpackText(await this.#read({ name: 'passed', given: [consumer] })))
  }

  async release(...given: Parameters<EventStore['release']>): Promise<void> {
    await this.#write({ name: 'release', given })
  }
}
