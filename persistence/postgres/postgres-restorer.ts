import type { KeyRing } from '../encryption.ts'
import type { StoredEvent, UntoldChange } from '../event-store.ts'
import type { ArchivedMessage } from '../message-store.ts'
import type { RestoredBase, Restorer } from '../restorer.ts'
import type { Delivery } from '../webhook-store.ts'
import { restoreBase } from './base-restorer.ts'
import { restoreUntold } from './change-table.ts'
import { restoreEvents } from './event-table.ts'
import { restoreMessages } from './message-table.ts'
import type { RunAs } from './session.ts'
import { restoreDeliveries } from './webhook-table.ts'

/** Makes a log in Postgres a copy of another one. */
export class PostgresRestorer implements Restorer {
  readonly #keys: KeyRing | undefined
  readonly #write: RunAs

  constructor(keys: KeyRing | undefined, write: RunAs) {
    this.#keys = keys
    this.#write = write
  }

  messages(messages: readonly ArchivedMessage[]): Promise<void> {
    return this.#write('storing messages', (session) => restoreMessages(session, this.#keys, messages))
  }

  base(restored: RestoredBase): Promise<void> {
    return this.#write(`${restored.name}: restoring`, (session) => restoreBase(session, this.#keys, restored))
  }

  events(events: readonly StoredEvent[], last: number): Promise<void> {
    return this.#write('storing events', (session) => restoreEvents(session, this.#keys, events, last))
  }

  untold(changes: readonly UntoldChange[]): Promise<void> {
    return this.#write('storing changes', (session) => restoreUntold(session, changes))
  }

  deliveries(deliveries: readonly Delivery[]): Promise<void> {
    return this.#write('storing deliveries', (session) => restoreDeliveries(session, deliveries))
  }
}
