import type { Seen, SeenStore } from '../seen-store.ts'
import { findRecord } from './document-table.ts'
import { findSeen, raiseSeen, readSeen } from './seen-table.ts'
import type { RunAs } from './session.ts'

/** What users have seen, in a log in Postgres. */
export class PostgresSeen implements SeenStore {
  readonly #look: RunAs
  readonly #write: RunAs

  constructor({ look, write }: { readonly look: RunAs; readonly write: RunAs }) {
    this.#look = look
    this.#write = write
  }

  find(document: string, user: string): Promise<Seen | undefined> {
    return this.#look(`${document}: reading`, async (session) => {
      const record = await findRecord(session, document)
      return record === undefined ? undefined : await findSeen(session, record, user)
    })
  }

  list(document: string, options: { readonly after?: string; readonly limit: number }): Promise<Seen[]> {
    const { after = '', limit } = options
    return this.#look(`${document}: reading`, async (session) => {
      const record = await findRecord(session, document)
      return record === undefined ? [] : await readSeen(session, record, { after, limit })
    })
  }

  raise(document: string, seen: readonly Seen[]): Promise<void> {
    return this.#write(`${document}: writing what was seen`, (session) => raiseSeen(session, document, seen))
  }
}
