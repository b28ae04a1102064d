import type { KeyRing } from '../encryption.ts'
import type { Disowned, PeopleStore, PersonTrace, StoredErasure } from '../people-store.ts'
import { disown } from './disowner.ts'
import { pageOfTraces, readErasures, saveErasure } from './people-table.ts'
import type { Run } from './session.ts'

export interface PostgresPeopleOptions {
  readonly read: Run
  /** For one step of what is erased. */
  readonly erase: Run
  readonly write: Run
  readonly scrub: (document: string, user: string) => Promise<number>
}

/** What a log in Postgres keeps of people. */
export class PostgresPeople implements PeopleStore {
  readonly #keys: KeyRing | undefined
  readonly #options: PostgresPeopleOptions

  constructor(keys: KeyRing | undefined, options: PostgresPeopleOptions) {
    this.#keys = keys
    this.#options = options
  }

  traces(user: string): AsyncGenerator<PersonTrace> {
    return this.#traces(user, false)
  }

  disown(user: string, pseudonym: string): Promise<Disowned> {
    return disown(this.#options.erase, this.#keys, this.#traces(user, true), { user, pseudonym })
  }

  async *#traces(user: string, isStrict: boolean): AsyncGenerator<PersonTrace> {
    for (let after: string | undefined = ''; after !== undefined; ) {
      const place: { user: string; after: string; isStrict: boolean } = { user, after, isStrict }
      const page = await this.#options.read((session) => pageOfTraces(session, this.#keys, place))
      yield* page.traces
      after = page.next
    }
  }

  scrub(document: string, user: string): Promise<number> {
    return this.#options.scrub(document, user)
  }

  /** Its own VACUUM does that. */
  async sweep(): Promise<void> {}

  saveErasure(erasure: StoredErasure): Promise<void> {
    return this.#options.write((session) => saveErasure(session, erasure))
  }

  async erasure(id: string): Promise<StoredErasure | undefined> {
    const [found] = await this.#options.read((session) => readErasures(session, { id }))
    return found
  }

  erasures(since: number): Promise<StoredErasure[]> {
    return this.#options.read((session) => readErasures(session, { since }))
  }
}
