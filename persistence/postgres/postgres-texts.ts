import { refuseEncrypted } from '../encryption.ts'
import type { FoundDocument, LaggingPage, NewText, TextClaim, TextIndex, TextSearch } from '../text-index.ts'
import type { PostgresThread } from './postgres-thread.ts'
import type { Session } from './session.ts'
import { listLagging, readTexts, searchTexts } from './text-table.ts'

export interface PostgresTextsOptions {
  readonly isEncrypted: boolean
  readonly search: <T>(work: (session: Session) => Promise<T>) => Promise<T>
  /** Has the thread that makes words of texts do something. */
  readonly write: <T>(work: (thread: PostgresThread) => Promise<T>) => Promise<T>
}

/** The texts of a log in Postgres. */
export class PostgresTexts implements TextIndex {
  readonly #options: PostgresTextsOptions

  constructor(options: PostgresTextsOptions) {
    this.#options = options
  }

  async claim(document: string, forMs: number): Promise<TextClaim> {
    refuseEncrypted(this.#options.isEncrypted)
    return await this.#options.write(async (thread) => {
      const claim = await thread.call({ kind: 'claim-text', document, forMs })
      if (typeof claim === 'object' && 'kind' in claim) return claim
      throw new TypeError('the thread answered something else than a claim')
    })
  }

  async put(text: NewText): Promise<void> {
    refuseEncrypted(this.#options.isEncrypted)
    await this.#options.write((thread) => thread.call({ kind: 'put-text', text }, [text.text]))
  }

  async lagging(options: { readonly after: number; readonly limit: number }): Promise<LaggingPage> {
    refuseEncrypted(this.#options.isEncrypted)
    return await this.#options.search((session) => listLagging(session, options))
  }

  async search(query: string, search: TextSearch): Promise<FoundDocument[]> {
    refuseEncrypted(this.#options.isEncrypted)
    return await this.#options.search((session) => searchTexts(session, query, search))
  }

  async rebuild(): Promise<number> {
    refuseEncrypted(this.#options.isEncrypted)
    return await this.#options.write(async (thread) => {
      const messages = await thread.call({ kind: 'rebuild-texts' })
      if (typeof messages === 'number') return messages
      throw new TypeError('the thread answered something else than how many messages there are')
    })
  }

  async texts(ids: readonly number[]): Promise<Uint8Array<ArrayBuffer>[]> {
    refuseEncrypted(this.#options.isEncrypted)
    return await this.#options.search((session) => readTexts(session, ids))
  }
}
