import type { DocumentKey } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import { disownPack, MAX_PACK_ROWS, PACK_COLUMNS, timesInPack } from '../row-pack.ts'
import { rawPacks } from './pack-table.ts'
import type { Session } from './session.ts'

/** Packs that are read at once. */
const PAGE_PACKS = 20
const LAST_POSITION = Number.MAX_SAFE_INTEGER - MAX_PACK_ROWS

/** When the packed rows of a user were taken; see timesInPack(). */
export async function packedTimes(
  session: Session,
  keys: KeyRing | undefined,
  document: DocumentKey,
  { user, isStrict }: { readonly user: string; readonly isStrict: boolean },
): Promise<number[]> {
  const times: number[] = []
  for (let after = 0; ; ) {
    const page = await rawPacks(session, document, { after, until: LAST_POSITION }, PAGE_PACKS)
    for (const values of page) times.push(...timesInPack(keys, document, values, user, isStrict))
    const [, last] = page.at(-1) ?? []
    if (typeof last !== 'number') return times
    after = last
  }
}

/**
 * Gives the rows of a user in the next pack behind `after` to a pseudonym; call it inside a transaction, with the lock of
 * compactions. Resolves with how many there were, and where that pack ends; undefined where there is none.
 */
export async function disownNextPack(
  session: Session,
  keys: KeyRing | undefined,
  { document, after }: { readonly document: string; readonly after: number },
  person: { readonly user: string; readonly pseudonym: string },
): Promise<{ readonly last: number; readonly count: number } | undefined> {
  const columns = PACK_COLUMNS.split(', ').map((column) => `p.${column}`)
  const [row] = await session.rows(
    `SELECT d.id, p.last, ${columns.join(', ')} FROM coweave.documents d JOIN coweave.packs p ON p.document = d.id
     WHERE d.name = $1 AND p.last > $2 ORDER BY p.last LIMIT 1 FOR UPDATE OF p`,
    [document, after],
  )
  if (row === undefined) return undefined
  const [id, last, ...values] = row
  const disowned = disownPack(keys, { id: Number(id), name: document }, values, person)
  if (disowned === undefined) return { last: Number(last), count: 0 }
  const { key, data, checksum } = disowned.pack
  await session.rows('UPDATE coweave.packs SET key = $3, data = $4, checksum = $5 WHERE document = $1 AND last = $2', [
    id,
    last,
    key,
    data,
    checksum,
  ])
  return { last: Number(last), count: disowned.count }
}
