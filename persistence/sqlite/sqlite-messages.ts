import type { ArchivedMessage, ArchivePage, FoundMessages, MessageStore, SearchOptions } from '../message-store.ts'
import { unpackFoundMessages, unpackMessages } from './message-replies.ts'
import { unpackTexts } from './plain-replies.ts'
import type { Ask } from './sqlite-thread.ts'

export interface SqliteMessagesOptions {
  readonly read: Ask
  readonly search: Ask
}

/** The archive of an SQLite log: each call goes to a thread. */
export class SqliteMessages implements MessageStore {
  readonly #options: SqliteMessagesOptions

  constructor(options: SqliteMessagesOptions) {
    this.#options = options
  }

  async list(room: string, options: { readonly before?: number; readonly limit: number }): Promise<ArchivedMessage[]> {
    const { before = Number.MAX_SAFE_INTEGER, limit } = options
    return unpackMessages(await this.#options.read({ kind: 'messages', room, before, limit }))
  }

  async find(room: string, id: string): Promise<ArchivedMessage | undefined> {
    const [found] = unpackMessages(await this.#options.read({ kind: 'message', room, id }))
    return found
  }

  async known(room: string, ids: readonly string[]): Promise<Set<string>> {
    return new Set(unpackTexts(await this.#options.read({ kind: 'known-messages', room, ids })))
  }

  async search(query: string, options: SearchOptions): Promise<FoundMessages> {
    const { room, except = [], before = Number.MAX_SAFE_INTEGER, limit } = options
    const request = { kind: 'search', query, room, except, before, limit } as const
    return unpackFoundMessages(await this.#options.search(request))
  }

  async all({ after = 0, limit }: { readonly after?: number; readonly limit: number }): Promise<ArchivePage> {
    return unpackFoundMessages(await this.#options.read({ kind: 'archive', after, limit }))
  }
}
