import type { KeyRing } from '../encryption.ts'
import type { ClaimedPush, PushOutcome, PushStore, RoomSubscription, WaitingRoom } from '../push-store.ts'
import { cancel, claim, endAll, pageOfSubscriptions, settle, subscribe, unsubscribe, upcoming } from './push-table.ts'
import type { Run } from './session.ts'

/** The pushes of a log in Postgres. */
export class PostgresPushes implements PushStore {
  readonly #keys: KeyRing | undefined
  readonly #read: Run
  readonly #write: Run

  constructor(keys: KeyRing | undefined, { read, write }: { readonly read: Run; readonly write: Run }) {
    this.#keys = keys
    this.#read = read
    this.#write = write
  }

  subscribe(wanted: RoomSubscription, { max }: { readonly max: number }): Promise<boolean> {
    return this.#write((session) => subscribe(session, this.#keys, wanted, max))
  }

  unsubscribe(room: string, endpoint: string): Promise<void> {
    return this.#write((session) => unsubscribe(session, room, endpoint))
  }

  endAll(room: string): Promise<number> {
    return this.#write((session) => endAll(session, room))
  }

  subscriptions(options: {
    readonly after?: string
    readonly limit: number
  }): Promise<{ subscriptions: RoomSubscription[]; next: string | undefined }> {
    return this.#read((session) => pageOfSubscriptions(session, this.#keys, options))
  }

  upcoming(range: {
    readonly now: number
    readonly until: number
  }): Promise<{ isDue: boolean; waiting: WaitingRoom[] }> {
    return this.#read((session) => upcoming(session, range))
  }

  cancel(rooms: readonly WaitingRoom[]): Promise<void> {
    return this.#write((session) => cancel(session, rooms))
  }

  claim(options: { readonly now: number; readonly until: number; readonly limit: number }): Promise<ClaimedPush[]> {
    return this.#write((session) => claim(session, this.#keys, options))
  }

  settle(outcome: PushOutcome): Promise<void> {
    return this.#write((session) => settle(session, outcome))
  }
}
