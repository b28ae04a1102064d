import { type KeyRing, refuseEncrypted } from '../encryption.ts'
import type { ArchivedMessage, ArchivePage, FoundMessages, MessageStore, SearchOptions } from '../message-store.ts'
import type { Connections } from './connections.ts'
import { searchMessages } from './message-search.ts'
import { findMessage, knownIds, pageOfArchive, pageOfMessages } from './message-table.ts'
import type { RunAs } from './session.ts'

export interface PostgresMessagesOptions {
  readonly read: RunAs
  readonly search: <T>(work: (searcher: Connections) => Promise<T>) => Promise<T>
}

/** The archive of a log in Postgres. */
export class PostgresMessages implements MessageStore {
  readonly #keys: KeyRing | undefined
  readonly #options: PostgresMessagesOptions

  constructor(keys: KeyRing | undefined, options: PostgresMessagesOptions) {
    this.#keys = keys
    this.#options = options
  }

  list(room: string, options: { readonly before?: number; readonly limit: number }): Promise<ArchivedMessage[]> {
    const { before = Number.MAX_SAFE_INTEGER, limit } = options
    return this.#options.read(`${room}: reading messages`, (session) =>
      pageOfMessages(session, this.#keys, { room, before, limit }),
    )
  }

  find(room: string, id: string): Promise<ArchivedMessage | undefined> {
    return this.#options.read(`${room}: reading a message`, (session) => findMessage(session, this.#keys, room, id))
  }

  known(room: string, ids: readonly string[]): Promise<Set<string>> {
    return this.#options.read(`${room}: looking for messages`, (session) => knownIds(session, room, ids))
  }

  search(query: string, options: SearchOptions): Promise<FoundMessages> {
    const { room, except = [], before = Number.MAX_SAFE_INTEGER, limit } = options
    return this.#options.search(async (searcher) => {
      refuseEncrypted(this.#keys !== undefined, 'messages')
      const search = { query, room, except, before, limit }
      return await searcher.look((session) => searchMessages(session, this.#keys, search))
    })
  }

  all({ after = 0, limit }: { readonly after?: number; readonly limit: number }): Promise<ArchivePage> {
    return this.#options.read('reading the archive', (session) => pageOfArchive(session, this.#keys, { after, limit }))
  }
}
