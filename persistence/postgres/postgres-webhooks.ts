import type { KeyRing } from '../encryption.ts'
import type { Backlog, Delivery, Webhook, WebhookStore } from '../webhook-store.ts'
import type { Run } from './session.ts'
import {
  claimDeliveries,
  dueWebhooks,
  enqueue,
  listWebhooks,
  pageOfDeliveries,
  putWebhook,
  readBacklog,
  removeWebhook,
  resendDelivery,
  settleDeliveries,
} from './webhook-table.ts'

/** The webhooks of a log in Postgres. */
export class PostgresWebhooks implements WebhookStore {
  readonly #keys: KeyRing | undefined
  readonly #read: Run
  readonly #write: Run

  constructor(keys: KeyRing | undefined, { read, write }: { readonly read: Run; readonly write: Run }) {
    this.#keys = keys
    this.#read = read
    this.#write = write
  }

  list(): Promise<Webhook[]> {
    return this.#read((session) => listWebhooks(session, this.#keys))
  }

  put(...given: Parameters<WebhookStore['put']>): Promise<boolean> {
    return this.#write((session) => putWebhook(session, this.#keys, given))
  }

  remove(id: string): Promise<boolean> {
    return this.#write((session) => removeWebhook(session, id))
  }

  enqueue(...given: Parameters<WebhookStore['enqueue']>): Promise<void> {
    return this.#write((session) => enqueue(session, given))
  }

  due(now: number): Promise<string[]> {
    return this.#read((session) => dueWebhooks(session, now))
  }

  claim(...given: Parameters<WebhookStore['claim']>): Promise<Delivery[]> {
    return this.#write((session) => claimDeliveries(session, given))
  }

  settle(...given: Parameters<WebhookStore['settle']>): Promise<void> {
    return this.#write((session) => settleDeliveries(session, given))
  }

  deliveries(...given: Parameters<WebhookStore['deliveries']>): Promise<Delivery[]> {
    return this.#read((session) => pageOfDeliveries(session, given))
  }

  backlog(): Promise<Backlog> {
    return this.#read(readBacklog)
  }

  resend(...given: Parameters<WebhookStore['resend']>): Promise<boolean> {
    return this.#write((session) => resendDelivery(session, given))
  }
}
