import type { KeyRing } from '../encryption.ts'
import type { PersonTrace, StoredErasure } from '../people-store.ts'
import { packedTimes } from './pack-disowner.ts'
import { type Session, toBytes, toText } from './session.ts'

/** Documents that are looked through by one statement. */
const PAGE_DOCUMENTS = 200

/**
 * Looks through a page of documents for what they keep of a user. `next` is the last of them, undefined at the end. With
 * `isStrict`, a pack that can't be read, and so may keep something, is an error.
 */
export async function pageOfTraces(
  session: Session,
  keys: KeyRing | undefined,
  { user, after, isStrict }: { readonly user: string; readonly after: string; readonly isStrict: boolean },
): Promise<{ traces: PersonTrace[]; next: string | undefined }> {
  const count = (table: string, owner: string) =>
    `(SELECT count(*) FROM coweave.${table} WHERE document = d.id AND ${owner} = $2)`
  const rows = await session.rows(
    `SELECT d.id, EXISTS (SELECT 1 FROM coweave.packs WHERE document = d.id), d.name, u.count, coalesce(u.first, 0), coalesce(u.last, 0), ${count('clients', 'owner')},
       ${count('versions', 'author')}, ${count('seen', 'owner')}
     FROM (SELECT id, name FROM coweave.documents WHERE name > $1 ORDER BY name LIMIT ${PAGE_DOCUMENTS}) AS d
     CROSS JOIN LATERAL (
       SELECT count(*), min(at) AS first, max(at) AS last FROM coweave.updates WHERE document = d.id AND author = $2
     ) AS u ORDER BY d.name`,
    [after, toBytes(user)],
  )
  const traces: PersonTrace[] = []
  for (const [id, hasPacks, name, updates, firstAt, lastAt, clients, versions, seen] of rows) {
    const document = String(name)
    const key = { id: Number(id), name: document }
    const packed = hasPacks === true ? await packedTimes(session, keys, key, { user, isStrict }) : []
    const times = [...(Number(updates) > 0 ? [Number(firstAt), Number(lastAt)] : []), ...packed]
    traces.push({
      document,
      updates: Number(updates) + packed.length,
      firstAt: times.reduce((first, at) => Math.min(first, at), times[0] ?? 0),
      lastAt: times.reduce((last, at) => Math.max(last, at), 0),
      clients: Number(clients),
      versions: Number(versions),
      hasSeen: Number(seen) > 0,
    })
  }
  return {
    traces: traces.filter(({ updates, clients, versions, hasSeen }) => updates + clients + versions > 0 || hasSeen),
    next: rows.length < PAGE_DOCUMENTS ? undefined : traces.at(-1)?.document,
  }
}

/** The erasure of an id, or those that are not done or were asked for since then. */
export async function readErasures(
  session: Session,
  { id, since = 0 }: { readonly id?: string; readonly since?: number },
): Promise<StoredErasure[]> {
  const rows = await session.rows(
    `SELECT id, at, is_done, data FROM coweave.erasures
     WHERE CASE WHEN $1::text IS NULL THEN is_done = 0 OR at >= $2 ELSE id = $1 END ORDER BY at, id`,
    [id ?? null, since],
  )
  return rows.map(([id, at, isDone, data]) => ({
    id: String(id),
    at: Number(at),
    isDone: isDone === 1,
    json: String(toText(data)),
  }))
}

export async function saveErasure(session: Session, { id, at, isDone, json }: StoredErasure): Promise<void> {
  await session.rows(
    `INSERT INTO coweave.erasures (id, at, is_done, data) VALUES ($1, $2, $3, $4)
     ON CONFLICT (id) DO UPDATE SET is_done = excluded.is_done, data = excluded.data`,
    [id, at, isDone ? 1 : 0, toBytes(json)],
  )
}
