import type { Database } from 'better-sqlite3'
import { type ClientClaim, claimChecksum, parseClaim } from '../client-claim.ts'
import { DOCUMENT_COLUMNS, type DocumentKey, parseRecord } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import type { Disowned } from '../people-store.ts'
import { ROW_COLUMNS, sealRow, verifiedRow } from '../update-row.ts'
import { parseVersion, sealVersion, VERSION_COLUMNS } from '../version-row.ts'
import { recordWriter } from './document-table.ts'
import { disownPacks } from './pack-disowner.ts'
import { yielding } from './yielding.ts'

/** What one transaction changes, at most; a step ends with the row that takes it over the bytes. */
const STEP_ROWS = 200
const STEP_BYTES = 1024 * 1024

/** After so long an answer is given, so that whoever wants the thread to end need not wait for the whole log. */
const SLICE_MS = 200

export interface DisownReply {
  /** Since the last answer. */
  readonly disowned: Disowned
  readonly isDone: boolean
}

interface Owned {
  readonly table: 'updates' | 'clients' | 'versions'
  /** What tells the rows of a document apart, and what comes before all of them. */
  readonly key: readonly [column: string, lowest: number | string]
  readonly columns: string
  readonly owner: 'author' | 'user'
  /** Returns how many rows it has changed. */
  readonly change: (document: DocumentKey, values: readonly unknown[]) => number
}

/**
 * Gives what a user wrote to a pseudonym, as PeopleStore says, document by document. What is to be changed is looked for
 * outside of the transactions that change it: looking takes as long as the log is, and keeps nobody from writing.
 */
export class Disowner {
  readonly #db: Database
  readonly #keys: KeyRing | undefined
  readonly #documents
  readonly #saveRecord
  #steps: AsyncGenerator<Partial<Disowned>, void, undefined> | undefined

  constructor(db: Database, keys: KeyRing | undefined) {
    this.#db = db
    this.#keys = keys
    this.#documents = db.prepare<[number], DocumentKey>(
      'SELECT id, name FROM documents WHERE id > ? ORDER BY id LIMIT 1',
    )
    this.#saveRecord = recordWriter(db)
  }

  /** Does so for a while. To be called again with the same until it is done. */
  async run(user: string, pseudonym: string): Promise<DisownReply> {
    const until = performance.now() + SLICE_MS
    const sum = { updates: 0, clients: 0, versions: 0, deletions: 0, seen: 0 }
    const steps = this.#steps ?? this.#all(user, pseudonym)
    this.#steps = steps
    for (;;) {
      const { value, done } = await steps.next()
      if (done) this.#steps = undefined
      else
        for (const key of ['updates', 'clients', 'versions', 'deletions', 'seen'] as const) sum[key] += value[key] ?? 0
      if (done || performance.now() > until) return { disowned: sum, isDone: done === true }
    }
  }

  async *#all(user: string, pseudonym: string): AsyncGenerator<Partial<Disowned>, void, undefined> {
    const { clients, updates, versions } = this.#tables(user, pseudonym)
    for (let last = 0; ; ) {
      const document = this.#documents.get(last)
      if (document === undefined) break
      last = document.id
      for await (const changed of this.#each(document, clients, user)) yield { clients: changed }
      for await (const changed of this.#each(document, updates, user)) yield { updates: changed }
      // After the rows, which may have been packed since.
      for await (const changed of disownPacks(this.#db, this.#keys, document, { user, pseudonym }))
        yield { updates: changed }
      for await (const changed of this.#each(document, versions, user)) yield { versions: changed }
      yield {}
    }
    yield { deletions: await this.#deletions(user, pseudonym) }
    yield { seen: await this.#seen(user) }
  }

  #tables(user: string, pseudonym: string): Readonly<Record<Owned['table'], Owned>> {
    const saveUpdate = this.#db.prepare(
      `UPDATE updates SET author = ?, key = ?, data = ?, checksum = ? WHERE document = ? AND position = ? AND author = ?`,
    )
    const saveClaim = this.#db.prepare(
      'UPDATE clients SET user = ?, checksum = ? WHERE document = ? AND client = ? AND user = ?',
    )
    const saveVersion = this.#db.prepare(
      'UPDATE versions SET author = ?, key = ?, data = ?, checksum = ? WHERE document = ? AND id = ? AND author = ?',
    )
    return {
      updates: {
        table: 'updates',
        key: ['position', -1],
        columns: ROW_COLUMNS,
        owner: 'author',
        change: (document, values) => {
          const row = verifiedRow(this.#keys, document, values)
          const { key, data, checksum } = sealRow(this.#keys, document, { ...row, author: pseudonym })
          return saveUpdate.run(pseudonym, key, data, checksum, document.id, row.position, user).changes
        },
      },
      clients: {
        table: 'clients',
        key: ['client', -1],
        columns: 'client, user, position, checksum',
        owner: 'user',
        change: (document, values) => {
          const claim: ClientClaim = { ...parseClaim(document, values), user: pseudonym }
          return saveClaim.run(pseudonym, claimChecksum(document.id, claim), document.id, claim.client, user).changes
        },
      },
      versions: {
        table: 'versions',
        key: ['id', ''],
        columns: VERSION_COLUMNS,
        owner: 'author',
        change: (document, values) => {
          const version = { ...parseVersion(this.#keys, document, values), author: pseudonym }
          const { key, data, checksum } = sealVersion(this.#keys, document, version)
          return saveVersion.run(pseudonym, key, data, checksum, document.id, version.id, user).changes
        },
      },
    }
  }

  /** Goes through the rows of a document that are the user's, in steps. Yields how many each has changed. */
  async *#each(document: DocumentKey, owned: Owned, user: string): AsyncGenerator<number, void, undefined> {
    const { table, key, columns, owner, change } = owned
    const [column, lowest] = key
    const select = this.#db
      .prepare<[number, number | string, string], [number | string, number, ...unknown[]]>(
        `SELECT ${column}, ${table === 'clients' ? 0 : 'length(data)'}, ${columns} FROM ${table}
         WHERE document = ? AND ${column} > ? AND ${owner} = ? ORDER BY ${column}`,
      )
      .raw()
    const save = this.#db.transaction((rows: readonly (readonly unknown[])[]) =>
      rows.reduce((sum, values) => sum + change(document, values), 0),
    )
    for (let after: number | string | undefined = lowest; after !== undefined; ) {
      const rows: (readonly unknown[])[] = []
      let [last, bytes]: [number | string | undefined, number] = [undefined, 0]
      for (const [at, length, ...values] of select.iterate(document.id, after, user)) {
        rows.push(values)
        last = at
        bytes += length
        if (rows.length >= STEP_ROWS || bytes >= STEP_BYTES) break
      }
      after = last
      if (rows.length > 0) yield await yielding(() => save.immediate(rows))
    }
  }

  async #deletions(user: string, pseudonym: string): Promise<number> {
    const select = this.#db
      .prepare<[string], unknown[]>(
        `SELECT ${DOCUMENT_COLUMNS} FROM documents WHERE deleted_at IS NOT NULL AND deleted_by = ? LIMIT ${STEP_ROWS}`,
      )
      .raw()
    // They are found in the transaction: an index leads to the deleted ones, and others may be changing them.
    const step = this.#db.transaction(() => {
      const records = select.all(user).map(parseRecord)
      for (const record of records) {
        const { tombstone } = record
        if (tombstone !== undefined) this.#saveRecord({ ...record, tombstone: { ...tombstone, by: pseudonym } })
      }
      return records.length
    })
    return await inSteps(() => step.immediate())
  }

  async #seen(user: string): Promise<number> {
    const erase = this.#db.prepare<[string]>(
      `DELETE FROM seen WHERE (document, user) IN (SELECT document, user FROM seen WHERE user = ? LIMIT ${STEP_ROWS})`,
    )
    return await inSteps(() => erase.run(user).changes)
  }
}

async function inSteps(step: () => number): Promise<number> {
  let sum = 0
  for (let changed = await yielding(step); changed > 0; changed = await yielding(step)) sum += changed
  return sum
}
