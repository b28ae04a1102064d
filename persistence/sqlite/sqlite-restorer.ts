import type { StoredEvent, UntoldChange } from '../event-store.ts'
import type { ArchivedMessage } from '../message-store.ts'
import type { RestoredBase, Restorer } from '../restorer.ts'
import type { Delivery } from '../webhook-store.ts'
import { packMessages } from './message-replies.ts'
import type { Ask } from './sqlite-thread.ts'

/** Makes an SQLite log a copy of another one: each call goes to the thread that writes. */
export class SqliteRestorer implements Restorer {
  readonly #write: Ask

  constructor(write: Ask) {
    this.#write = write
  }

  async messages(messages: readonly ArchivedMessage[]): Promise<void> {
    const packed = packMessages(messages.map(({ json, ...message }) => ({ ...message, data: Buffer.from(json) })))
    await this.#write({ kind: 'restore', messages: packed }, [packed])
  }

  async base(restored: RestoredBase): Promise<void> {
    await this.#write({ kind: 'restore-base', restored })
  }

  async events(events: readonly StoredEvent[], last: number): Promise<void> {
    await this.#write({ kind: 'restore-events', events, last })
  }

  async untold(changes: readonly UntoldChange[]): Promise<void> {
    await this.#write({ kind: 'restore-untold', changes })
  }

  async deliveries(deliveries: readonly Delivery[]): Promise<void> {
    await this.#write({ kind: 'restore-deliveries', deliveries })
  }
}
