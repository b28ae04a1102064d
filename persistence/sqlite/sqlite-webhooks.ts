import type { Backlog, Delivery, Webhook, WebhookStore } from '../webhook-store.ts'
import { unpackText } from './plain-replies.ts'
import type { WebhookCall } from './webhook-table.ts'

type Ask = (call: WebhookCall) => Promise<Uint8Array<ArrayBuffer>>

/** The webhooks of an SQLite log: each call goes to a thread, which answers in JSON. */
export class SqliteWebhooks implements WebhookStore {
  readonly #read: Ask
  readonly #write: Ask

  constructor({ read, write }: { readonly read: Ask; readonly write: Ask }) {
    this.#read = read
    this.#write = write
  }

  async list(): Promise<Webhook[]> {
    return JSON.parse(unpackText(await this.#read({ name: 'list', given: [] })))
  }

  async put(...given: Parameters<WebhookStore['put']>): Promise<boolean> {
    return JSON.parse(unpackText(await this.#write({ name: 'put', given })))
  }

  async remove(id: string): Promise<boolean> {
    return JSON.parse(unpackText(await this.#write({ name: 'remove', given: [id] })))
  }

  async enqueue(...given: Parameters<WebhookStore['enqueue']>): Promise<void> {
    await this.#write({ name: 'enqueue', given })
  }

  async due(now: number): Promise<string[]> {
    return JSON.parse(unpackText(await this.#read({ name: 'due', given: [now] })))
  }

  async claim(...given: Parameters<WebhookStore['claim']>): Promise<Delivery[]> {
    return JSON.parse(unpackText(await this.#write({ name: 'claim', given })))
  }

  async settle(...given: Parameters<WebhookStore['settle']>): Promise<void> {
    await this.#write({ name: 'settle', given })
  }

  async deliveries(...given: Parameters<WebhookStore['deliveries']>): Promise<Delivery[]> {
    return JSON.parse(unpackText(await this.#read({ name: 'deliveries', given })))
  }

  async backlog(): Promise<Backlog> {
    return JSON.parse(unpackText(await this.#read({ name: 'backlog', given: [] })))
  }

  async resend(...given: Parameters<WebhookStore['resend']>): Promise<boolean> {
    return JSON.parse(unpackText(await this.#write({ name: 'resend', given })))
  }
}
