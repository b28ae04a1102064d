import type { DocumentKey } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import { MAX_PACK_ROWS, openPack, PACK_COLUMNS, type SealedPack, sealPack } from '../row-pack.ts'
import type { Session } from './session.ts'

/** The first `limit` of the packs that have rows above `after` and up to `until`; see openPack(). */
export async function rawPacks(
  session: Session,
  { id }: DocumentKey,
  { after, until }: { readonly after: number; readonly until: number },
  limit: number,
): Promise<unknown[][]> {
  return await session.rows(
    `SELECT ${PACK_COLUMNS} FROM coweave.packs WHERE document = $1 AND last > $2 AND last < $3 AND first <= $4
     ORDER BY last LIMIT $5`,
    [id, after, until + MAX_PACK_ROWS, until, limit],
  )
}

/** Call it inside the transaction that deletes the rows in it. */
export async function insertPack(session: Session, { id }: DocumentKey, pack: SealedPack): Promise<void> {
  const { first, last, at, key, data, checksum } = pack
  await session.rows(
    `INSERT INTO coweave.packs (document, first, last, at, key, data, checksum) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [id, first, last, at, key, data, checksum],
  )
}

/**
 * Writes the pack anew that holds rows up to the position `forgotten` and rows behind it, without the former; call it inside
 * a transaction. Resolves with whether there was one.
 */
export async function cutPack(
  session: Session,
  keys: KeyRing | undefined,
  document: DocumentKey,
  forgotten: number,
): Promise<boolean> {
  const [values] = await rawPacks(session, document, { after: forgotten, until: forgotten }, 1)
  if (values === undefined) return false
  const rows = openPack(keys, document, values)
  const kept = sealPack(
    keys,
    document,
    rows.filter(({ position }) => position > forgotten),
  )
  await session.rows('DELETE FROM coweave.packs WHERE document = $1 AND last = $2', [document.id, kept.last])
  await insertPack(session, document, kept)
  return true
}
