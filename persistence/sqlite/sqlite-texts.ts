import { refuseEncrypted } from '../encryption.ts'
import type { FoundDocument, LaggingPage, NewText, TextClaim, TextIndex, TextSearch } from '../text-index.ts'
import { unpackBytes, unpackText } from './plain-replies.ts'
import type { Request } from './protocol.ts'
import type { Ask } from './sqlite-thread.ts'

export interface SqliteTextsOptions {
  readonly isEncrypted: boolean
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
    return JSON.parse(unpackText(await this.#write({ kind: 'claim-text', document, forMs })))
  }

  async put(text: NewText): Promise<void> {
    await this.#write({ kind: 'put-text', text }, [text.text])
  }

  async lagging(options: { readonly after: number; readonly limit: number }): Promise<LaggingPage> {
    return JSON.parse(unpackText(await this.#read({ kind: 'lagging', ...options })))
  }

  async search(query: string, search: TextSearch): Promise<FoundDocument[]> {
    return JSON.parse(unpackText(await this.#read({ kind: 'search-texts', search: { ...search, query } })))
  }

  async rebuild(): Promise<number> {
    return JSON.parse(unpackText(await this.#write({ kind: 'rebuild-texts' })))
  }

  async texts(ids: readonly number[]): Promise<Uint8Array<ArrayBuffer>[]> {
    return unpackBytes(await this.#read({ kind: 'texts', ids }))
  }

  async #read(request: Request): Promise<Uint8Array<ArrayBuffer>> {
    refuseEncrypted(this.#options.isEncrypted)
    return await this.#options.search(request)
  }

  async #write(request: Request, moved?: readonly Uint8Array<ArrayBuffer>[]): Promise<Uint8Array<ArrayBuffer>> {
    refuseEncrypted(this.#options.isEncrypted)
    return await this.#options.write(request, moved)
  }
}
