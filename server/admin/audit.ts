import { CoweaveError } from '../../model/errors.ts'
import type { AdminStore, NewAction } from '../../persistence/admin-store.ts'
import type { Principal } from '../access/grants.ts'

/** Writes down what admins do: that they are about to, and what became of it, each before anybody is told. */
export class Audit {
  readonly #store: AdminStore

  constructor(store: AdminStore) {
    this.#store = store
  }

  /** Resolves with what `work` returned once both entries are on disk. @throws what `work` throws @throws {StorageError} */
  async of<T>(action: Omit<NewAction, 'at'>, work: () => Promise<T>): Promise<T> {
    const number = await this.#store.begin({ ...action, at: Date.now() })
    let result: T
    try {
      result = await work()
    } catch (error) {
      // Without an outcome the entry says that it isn't known, and the error is what the admin has to hear.
      await this.#store.end(number, `failed: ${codeOf(error)}`).catch(() => {})
      throw error
    }
    await this.#store.end(number, 'done')
    return result
  }

  /** As of(), for what moderators do as well: what they do is told by the document itself. */
  ofAdmin<T>({ admin, user }: Principal, action: string, document: string, work: () => Promise<T>): Promise<T> {
    return admin ? this.of({ admin: user, action, user: '', document, detail: '' }, work) : work()
  }
}

function codeOf(error: unknown): string {
  return error instanceof CoweaveError ? error.code : 'internal'
}
