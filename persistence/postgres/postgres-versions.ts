import type { NamedVersion } from '../../model/history.ts'
import type { KeyRing } from '../encryption.ts'
import type { NewEvent } from '../event-store.ts'
import type { VersionStore } from '../version-store.ts'
import { findRecord } from './document-table.ts'
import type { RunAs } from './session.ts'
import { addVersion, readVersions, removeVersion, renameVersion } from './version-table.ts'

/** The named versions of a log in Postgres. */
export class PostgresVersions implements VersionStore {
  readonly #keys: KeyRing | undefined
  readonly #look: RunAs
  readonly #write: RunAs

  constructor(keys: KeyRing | undefined, { look, write }: { readonly look: RunAs; readonly write: RunAs }) {
    this.#keys = keys
    this.#look = look
    this.#write = write
  }

  list(document: string): Promise<NamedVersion[]> {
    return this.#look(`${document}: reading versions`, async (session) => {
      const record = await findRecord(session, document)
      return record === undefined ? [] : await readVersions(session, this.#keys, record)
    })
  }

  add(document: string, version: NamedVersion, events: readonly NewEvent[] = []): Promise<boolean> {
    return this.#write(`${document}: naming a version`, (session) =>
      addVersion(session, this.#keys, document, version, events),
    )
  }

  rename(document: string, id: string, name: string): Promise<boolean> {
    return this.#write(`${document}: renaming a version`, (session) =>
      renameVersion(session, this.#keys, { document, id, to: name }),
    )
  }

  remove(document: string, id: string): Promise<boolean> {
    return this.#write(`${document}: removing a version`, (session) => removeVersion(session, document, id))
  }
}
