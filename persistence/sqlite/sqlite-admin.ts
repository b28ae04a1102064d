import {
  type AdminAction,
  type AdminStore,
  type DocumentFigures,
  type NewAction,
  type NewRestriction,
  type Restriction,
  storableAction,
  storableRestriction,
} from '../admin-store.ts'
import type { AdminCall } from './admin-table.ts'
import { unpackText } from './plain-replies.ts'

type Ask = (call: AdminCall) => Promise<Uint8Array<ArrayBuffer>>

/** What admins do, in an SQLite log: each call goes to a thread, which answers in JSON. */
export class SqliteAdmin implements AdminStore {
  readonly #read: Ask
  readonly #write: Ask

  constructor({ read, write }: { readonly read: Ask; readonly write: Ask }) {
    this.#read = read
    this.#write = write
  }

  async begin(action: NewAction): Promise<number> {
    return JSON.parse(unpackText(await this.#write({ name: 'begin', given: [storableAction(action)] })))
  }

  async end(number: number, outcome: string): Promise<void> {
    await this.#write({ name: 'end', given: [number, outcome.toWellFormed()] })
  }

  async actions(...given: Parameters<AdminStore['actions']>): Promise<AdminAction[]> {
    return JSON.parse(unpackText(await this.#read({ name: 'actions', given })))
  }

  async restore(actions: readonly AdminAction[]): Promise<void> {
    await this.#write({ name: 'restore', given: [actions] })
  }

  async restrict(restriction: NewRestriction): Promise<number> {
    return JSON.parse(unpackText(await this.#write({ name: 'restrict', given: [storableRestriction(restriction)] })))
  }

  async restrictions(...given: Parameters<AdminStore['restrictions']>): Promise<Restriction[]> {
    return JSON.parse(unpackText(await this.#read({ name: 'restrictions', given })))
  }

  async figures(document: string): Promise<DocumentFigures | undefined> {
    return JSON.parse(unpackText(await this.#read({ name: 'figures', given: [document] }))) ?? undefined
  }
}
