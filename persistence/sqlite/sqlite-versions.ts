import type { NamedVersion } from '../../model/history.ts'
import type { NewEvent } from '../event-store.ts'
import type { VersionStore } from '../version-store.ts'
import { unpackFlag } from './plain-replies.ts'
import type { Request } from './protocol.ts'
import { unpackVersions } from './replies.ts'
import type { Ask } from './sqlite-thread.ts'

/** The named versions of an SQLite log: each call goes to a thread. */
export class SqliteVersions implements VersionStore {
  readonly #read: Ask
  readonly #write: Ask

  constructor({ read, write }: { readonly read: Ask; readonly write: Ask }) {
    this.#read = read
    this.#write = write
  }

  async list(document: string): Promise<NamedVersion[]> {
    return unpackVersions(await this.#read({ kind: 'versions', document }))
  }

  add(document: string, version: NamedVersion, events: readonly NewEvent[] = []): Promise<boolean> {
    return this.#change({ kind: 'add-version', document, version, events })
  }

  rename(document: string, id: string, name: string): Promise<boolean> {
    return this.#change({ kind: 'rename-version', document, id, name })
  }

  remove(document: string, id: string): Promise<boolean> {
    return this.#change({ kind: 'remove-version', document, id })
  }

  async #change(request: Request): Promise<boolean> {
    return unpackFlag(await this.#write(request))
  }
}
