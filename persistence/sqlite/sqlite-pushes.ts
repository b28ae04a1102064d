import type { ClaimedPush, PushOutcome, PushStore, RoomSubscription, WaitingRoom } from '../push-store.ts'
import { unpackText } from './plain-replies.ts'
import type { PushCall } from './push-table.ts'

type Ask = (call: PushCall) => Promise<Uint8Array<ArrayBuffer>>

/** The pushes of an SQLite log: each call goes to a thread, which answers in JSON. */
export class SqlitePushes implements PushStore {
  readonly #read: Ask
  readonly #write: Ask

  constructor({ read, write }: { readonly read: Ask; readonly write: Ask }) {
    this.#read = read
    this.#write = write
  }

  async subscribe(...given: Parameters<PushStore['subscribe']>): Promise<boolean> {
    return JSON.parse(unpackText(await this.#write({ name: 'subscribe', given })))
  }

  async unsubscribe(room: string, endpoint: string): Promise<void> {
    await this.#write({ name: 'unsubscribe', given: [room, endpoint] })
  }

  async endAll(room: string): Promise<number> {
    return JSON.parse(unpackText(await this.#write({ name: 'endAll', given: [room] })))
  }

  async subscriptions(options: {
    readonly after?: string
    readonly limit: number
  }): Promise<{ subscriptions: RoomSubscription[]; next: string | undefined }> {
    return JSON.parse(unpackText(await this.#read({ name: 'subscriptions', given: [options] })))
  }

  async upcoming(range: {
    readonly now: number
    readonly until: number
  }): Promise<{ isDue: boolean; waiting: WaitingRoom[] }> {
    return JSON.parse(unpackText(await this.#read({ name: 'upcoming', given: [range] })))
  }

  async cancel(rooms: readonly WaitingRoom[]): Promise<void> {
    await this.#write({ name: 'cancel', given: [rooms] })
  }

  async claim(...given: Parameters<PushStore['claim']>): Promise<ClaimedPush[]> {
    return JSON.parse(unpackText(await this.#write({ name: 'claim', given })))
  }

  async settle(outcome: PushOutcome): Promise<void> {
    await this.#write({ name: 'settle', given: [outcome] })
  }
}
