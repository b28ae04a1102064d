import { baseRecord } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import type { RestoredBase } from '../restorer.ts'
import { claimColumns } from './client-table.ts'
import { saveRecord } from './eraser.ts'
import type { Session } from './session.ts'
import { addSnapshot } from './snapshot-table.ts'

/** Makes a document of which rows are forgotten; call it inside a transaction. See Restorer.base(). */
export async function restoreBase(session: Session, keys: KeyRing | undefined, restored: RestoredBase): Promise<void> {
  const { name, base, claims } = restored
  const [created] = await session.rows(
    `INSERT INTO coweave.documents (name, created_at, updated_at, position, bytes, clients, checksum)
     SELECT $1::text, 0, 0, 0, 0, 0, 0 ON CONFLICT (name) DO NOTHING RETURNING id`,
    [name],
  )
  if (created === undefined) return
  const document = baseRecord(Number(created[0]), restored)
  await saveRecord(session, document)
  await session.rows(
    `INSERT INTO coweave.clients (document, client, owner, position, checksum)
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bigint[], $5::int[])`,
    claimColumns(claims.map((claim) => ({ ...claim, document }))),
  )
  const { position, logBytes, state } = base
  await addSnapshot(session, keys, { document, position, logBytes, state, vector: undefined })
}
