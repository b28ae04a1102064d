import type { Database } from 'better-sqlite3'
import type { DocumentKey } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import { disownPack, PACK_COLUMNS } from '../row-pack.ts'
import { yielding } from './yielding.ts'

/** Gives the packed rows of a user to a pseudonym, a transaction for each pack. Yields how many each has changed. */
export async function* disownPacks(
  db: Database,
  keys: KeyRing | undefined,
  document: DocumentKey,
  person: { readonly user: string; readonly pseudonym: string },
): AsyncGenerator<number, void, undefined> {
  const next = db
    .prepare<[number, number], [number, ...unknown[]]>(
      `SELECT last, ${PACK_COLUMNS} FROM packs WHERE document = ? AND last > ? ORDER BY last LIMIT 1`,
    )
    .raw()
  const find = db
    .prepare<[number, number], unknown[]>(`SELECT ${PACK_COLUMNS} FROM packs WHERE document = ? AND last = ?`)
    .raw()
  const save = db.prepare('UPDATE packs SET key = ?, data = ?, checksum = ? WHERE document = ? AND last = ?')
  // Read again: it may have been cut meanwhile.
  const change = db.transaction((at: number): number => {
    const values = find.get(document.id, at)
    const disowned = values && disownPack(keys, document, values, person)
    if (disowned === undefined) return 0
    const { key, data, checksum } = disowned.pack
    save.run(key, data, checksum, document.id, at)
    return disowned.count
  })
  for (let pack = next.get(document.id, 0); pack !== undefined; ) {
    const [last, ...values] = pack
    if (disownPack(keys, document, values, person) !== undefined) yield await yielding(() => change.immediate(last))
    else yield 0
    pack = next.get(document.id, last)
  }
}
