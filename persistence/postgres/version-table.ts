import type { NamedVersion } from '../../model/history.ts'
import { type DocumentKey, hasPosition } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import type { NewEvent } from '../event-store.ts'
import { parseVersion, sealVersion, VERSION_COLUMNS } from '../version-row.ts'
import { findRecord } from './document-table.ts'
import { storeEvents } from './event-table.ts'
import { type Session, toBytes, toText } from './session.ts'

/** Reads a document's versions, each one verified, the highest position first. */
export async function readVersions(
  session: Session,
  keys: KeyRing | undefined,
  document: DocumentKey,
): Promise<NamedVersion[]> {
  const rows = await session.rows(
    `SELECT ${VERSION_COLUMNS} FROM coweave.versions WHERE document = $1 ORDER BY position DESC, at DESC, id`,
    [document.id],
  )
  return rows.map((values) => toVersion(keys, document, values))
}

/** As VersionStore says; call it inside a transaction, as those that follow. */
export async function addVersion(
  session: Session,
  keys: KeyRing | undefined,
  name: string,
  version: NamedVersion,
  events: readonly NewEvent[],
): Promise<boolean> {
  // Locked, so that its history doesn't come to begin above the position meanwhile.
  const document = await findRecord(session, name, 'FOR SHARE')
  if (document === undefined || !hasPosition(document, version.position)) return false
  const { id, position, author, at } = version
  const { key, data, checksum } = sealVersion(keys, document, version)
  await session.rows(
    `INSERT INTO coweave.versions (document, id, position, author, at, key, data, checksum)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
     ON CONFLICT (document, id) DO UPDATE SET position = excluded.position, author = excluded.author, at = excluded.at,
       key = excluded.key, data = excluded.data, checksum = excluded.checksum`,
    [document.id, id, position, toBytes(author), at, key, data, checksum],
  )
  await storeEvents(session, keys, events)
  return true
}

export async function renameVersion(
  session: Session,
  keys: KeyRing | undefined,
  { document: name, id, to }: { readonly document: string; readonly id: string; readonly to: string },
): Promise<boolean> {
  const document = await findRecord(session, name)
  if (document === undefined) return false
  const [values] = await session.rows(
    `SELECT ${VERSION_COLUMNS} FROM coweave.versions WHERE document = $1 AND id = $2 FOR UPDATE`,
    [document.id, id],
  )
  if (values === undefined) return false
  const { key, data, checksum } = sealVersion(keys, document, { ...toVersion(keys, document, values), name: to })
  await session.rows('UPDATE coweave.versions SET key = $3, data = $4, checksum = $5 WHERE document = $1 AND id = $2', [
    document.id,
    id,
    key,
    data,
    checksum,
  ])
  return true
}

export async function removeVersion(session: Session, name: string, id: string): Promise<boolean> {
  const removed = await session.rows(
    `DELETE FROM coweave.versions v USING coweave.documents d
     WHERE v.document = d.id AND d.name = $1 AND v.id = $2 RETURNING v.id`,
    [name, id],
  )
  return removed.length > 0
}

function toVersion(
  keys: KeyRing | undefined,
  document: DocumentKey,
  [id, position, author, ...others]: readonly unknown[],
): NamedVersion {
  return parseVersion(keys, document, [id, position, toText(author), ...others])
}
