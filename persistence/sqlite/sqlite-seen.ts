import type { Seen, SeenStore } from '../seen-store.ts'
import { unpackSeen } from './replies.ts'
import type { Ask } from './sqlite-thread.ts'

/** What users have seen, in an SQLite log: each call goes to a thread. */
export class SqliteSeen implements SeenStore {
  readonly #read: Ask
  readonly #write: Ask

  constructor({ read, write }: { readonly read: Ask; readonly write: Ask }) {
    this.#read = read
    this.#write = write
  }

  async find(document: string, user: string): Promise<Seen | undefined> {
    const [found] = unpackSeen(await this.#read({ kind: 'seen', document, user }))
    return found
  }

  async list(document: string, options: { readonly after?: string; readonly limit: number }): Promise<Seen[]> {
    const { after = '', limit } = options
    return unpackSeen(await this.#read({ kind: 'seen-by', document, after, limit }))
  }

  async raise(document: string, seen: readonly Seen[]): Promise<void> {
    await this.#write({ kind: 'raise-seen', document, seen })
  }
}
