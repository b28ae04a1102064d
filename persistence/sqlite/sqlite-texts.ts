import type { FoundDocument, LaggingPage, NewText, TextClaim, TextIndex, TextSearch } from '../text-index.ts'
import { unpackBytes, unpackText } from './plain-replies.ts'
import type { Ask } from './sqlite-thread.ts'

export interface SqliteTextsOptions {
  readonly search: Ask
  readonly write: Ask
}

/** The texts of an SQLite log: each call goes to a thread. */
export class SqliteTexts implements TextIndex {
  readonly #options: SqliteTextsOptions

  constructor(options: SqliteTextsOptions) {
    this.#options = options
  }

  async claim(document: string, forMs: number): Promise<TextClaim> {
    return JSON.parse(unpackText(await this.#options.write({ kind: 'claim-text', document, forMs })))
  }

  async put(text: NewText): Promise<void> {
    await this.#options.write({ kind: 'put-text', text }, [text.text])
  }

  async lagging(options: { readonly after: number; readonly limit: number }): Promise<LaggingPage> {
    return JSON.parse(unpackText(await this.#options.search({ kind: 'lagging', ...options })))
  }

  async search(query: string, search: TextSearch): Promise<FoundDocument[]> {
    return JSON.parse(unpackText(await this.#options.search({ kind: 'search-texts', search: { ...search, query } })))
  }

  async rebuild(): Promise<number> {
    return JSON.parse(unpackText(await this.#options.write({ kind: 'rebuild-texts' })))
  }

  async texts(ids: readonly number[]): Promise<Uint8Array<ArrayBuffer>[]> {
    return unpackBytes(await this.#options.search({ kind: 'texts', ids }))
  }
}
