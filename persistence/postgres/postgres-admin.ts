import {
  type AdminAction,
  type AdminStore,
  type DocumentFigures,
  type NewAction,
  type NewRestriction,
  type Restriction,
  storableAction,
  storableRestriction,
} from '../admin-store.ts'
import {
  beginAction,
  endAction,
  pageOfActions,
  readFigures,
  readRestrictions,
  restoreActions,
  restrict,
} from './admin-table.ts'
import type { Run } from './session.ts'

/** What admins do, in a log in Postgres. */
export class PostgresAdmin implements AdminStore {
  readonly #read: Run
  readonly #write: Run

  constructor({ read, write }: { readonly read: Run; readonly write: Run }) {
    this.#read = read
    this.#write = write
  }

  begin(action: NewAction): Promise<number> {
    return this.#write((session) => beginAction(session, storableAction(action)))
  }

  end(number: number, outcome: string): Promise<void> {
    return this.#write((session) => endAction(session, number, outcome.toWellFormed()))
  }

  actions(page: { readonly before?: number | undefined; readonly limit: number }): Promise<AdminAction[]> {
    return this.#read((session) => pageOfActions(session, page))
  }

  restore(actions: readonly AdminAction[]): Promise<void> {
    return this.#write((session) => restoreActions(session, actions))
  }

  restrict(restriction: NewRestriction): Promise<number> {
    return this.#write((session) => restrict(session, storableRestriction(restriction)))
  }

  restrictions({ after }: { readonly after: number }): Promise<Restriction[]> {
    return this.#read((session) => readRestrictions(session, after))
  }

  figures(document: string): Promise<DocumentFigures | undefined> {
    return this.#read((session) => readFigures(session, document))
  }
}
