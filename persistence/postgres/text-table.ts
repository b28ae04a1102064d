import { StorageError } from '../storage-error.ts'
import type { FoundDocument, LaggingPage, NewText, TextClaim, TextSearch } from '../text-index.ts'
import { tsqueryOf } from '../words.ts'
import { findRecord, findTombstone } from './document-table.ts'
import type { Session } from './session.ts'

/** Documents that one search compares, at most. */
const MAX_RANKED = 20_000
/** As for messages: where the server plans badly, a search ends here instead of keeping others from theirs. */
const TIMEOUT_MS = 20_000
/** Longer than anybody claims a text, or lets it rest. */
const MAX_CLAIM_MS = 3_600_000
const NOW = '(extract(epoch FROM clock_timestamp()) * 1000)::bigint'

/** As TextIndex says; call it inside a transaction. */
export async function claimText(session: Session, name: string, forMs: number): Promise<TextClaim> {
  await loosen(session)
  const record = await findRecord(session, name)
  if (record === undefined || (await findTombstone(session, name, record)) !== undefined) return { kind: 'current' }
  const { id, createdAt } = record
  const [[position, wait] = []] = await session.rows(
    `SELECT position, free_at - ${NOW} FROM coweave.text_states WHERE document = $1`,
    [id],
  )
  if (Number(position ?? 0) >= record.position) return { kind: 'current' }
  // One of several who claim it at once writes it; a clock that was put back must not keep it waiting.
  const [claimed] = await session.rows(
    `INSERT INTO coweave.text_states AS state (document, position, free_at) VALUES ($1, 0, ${NOW} + $2)
     ON CONFLICT (document) DO UPDATE SET free_at = excluded.free_at
     WHERE state.free_at <= ${NOW} OR state.free_at > ${NOW} + ${MAX_CLAIM_MS} RETURNING 1`,
    [id, forMs],
  )
  return claimed === undefined
    ? { kind: 'wait', ms: Math.max(1, Number(wait ?? forMs)) }
    : { kind: 'claimed', key: { id, createdAt }, freeForMs: Math.max(0, -Number(wait ?? -Date.now())) }
}

/** As TextIndex says, with the words of the text; call it inside a transaction. */
export async function putText(
  session: Session,
  { key, position, text, restMs }: NewText,
  words: string,
): Promise<void> {
  await loosen(session)
  const { id, createdAt } = key
  await lockText(session, id)
  const [there] = await session.rows(
    `SELECT 1 FROM coweave.documents WHERE id = $1 AND created_at = $2 AND position >= $3 AND deleted_at IS NULL`,
    [id, createdAt, position],
  )
  if (there === undefined) return
  const [newer] = await session.rows(
    `INSERT INTO coweave.text_states AS state (document, position, free_at) VALUES ($1, $2, ${NOW} + $3)
     ON CONFLICT (document) DO UPDATE SET position = excluded.position, free_at = excluded.free_at
     WHERE state.position < excluded.position RETURNING 1`,
    [id, position, restMs],
  )
  if (newer === undefined) return
  await session.rows(
    `INSERT INTO coweave.texts AS stored (document, text, words) VALUES ($1, $2, $3::tsvector)
     ON CONFLICT (document) DO UPDATE SET text = excluded.text, words = excluded.words WHERE stored.text <> excluded.text`,
    [id, text, words],
  )
}

/** Erases the text of a document that nobody puts one of any more. Resolves with whether there was one. */
export async function eraseText(session: Session, id: number): Promise<boolean> {
  // Whoever looked before that whether the document is there may be storing its text.
  await lockText(session, id)
  const texts = await session.rows('DELETE FROM coweave.texts WHERE document = $1 RETURNING 1', [id])
  const states = await session.rows('DELETE FROM coweave.text_states WHERE document = $1 RETURNING 1', [id])
  return texts.length + states.length > 0
}

/** Erases the text of a document if it is of a position below this one, to be made anew. */
export async function eraseOldText(session: Session, id: number, position: number): Promise<void> {
  await lockText(session, id)
  await session.rows(
    `WITH old AS (
       UPDATE coweave.text_states SET position = 0 WHERE document = $1 AND position < $2 RETURNING document
     )
     DELETE FROM coweave.texts WHERE document IN (SELECT document FROM old)`,
    [id, position],
  )
}

/** As TextIndex says. */
export async function listLagging(
  session: Session,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<LaggingPage> {
  const rows = await session.rows(
    `SELECT id, name FROM coweave.documents AS document LEFT JOIN coweave.text_states AS state ON state.document = id
     WHERE id > $1 AND deleted_at IS NULL AND document.position > coalesce(state.position, 0)
       AND split_part(name, '/', 1) NOT IN ('chat', 'dm', 'inbox', 'lobby')
     ORDER BY id LIMIT $2`,
    [after, limit],
  )
  return {
    documents: rows.map(([, name]) => String(name)),
    next: rows.length < limit ? undefined : Number(rows.at(-1)?.[0]),
  }
}

/** As TextIndex says; call it inside a transaction. */
export async function searchTexts(
  session: Session,
  query: string,
  { prefixes, before, limit }: TextSearch,
): Promise<FoundDocument[]> {
  const expression = tsqueryOf(query)
  if (expression === undefined) return []
  await session.rows(`SELECT set_config('statement_timeout', '${TIMEOUT_MS}', true)`)
  // A row in which the words stand often among few others is good. Less is better, as with SQLite.
  const rows = await session.rows(
    `SELECT id, score, name, position, updated_at FROM (
       SELECT id, -ts_rank(words, $1::tsquery, 1)::float8 AS score, name, state.position, updated_at
       FROM coweave.texts AS stored
       JOIN coweave.documents AS document ON id = stored.document
       JOIN coweave.text_states AS state ON state.document = id
       WHERE words @@ $1::tsquery AND deleted_at IS NULL
         AND EXISTS (SELECT 1 FROM unnest($2::text[]) AS prefix WHERE starts_with(name, prefix))
       LIMIT ${MAX_RANKED}
     ) AS hits WHERE (score, id) > ($3::float8, $4::bigint) ORDER BY score, id LIMIT $5`,
    [expression, prefixes, before?.score ?? '-Infinity', before?.id ?? 0, limit],
  )
  return rows.map(toFound)
}

export async function readTexts(session: Session, ids: readonly number[]): Promise<Uint8Array<ArrayBuffer>[]> {
  const rows = await session.rows('SELECT document, text FROM coweave.texts WHERE document = ANY ($1::bigint[])', [ids])
  const texts = new Map(rows.map(([id, text]) => [id, text]))
  return ids.map((id) => {
    const text = texts.get(id)
    return text instanceof Uint8Array ? new Uint8Array(text) : new Uint8Array(0)
  })
}

/** What a power cut takes back is made again: nobody has to wait for the disk. */
async function loosen(session: Session): Promise<void> {
  await session.rows(`SELECT set_config('synchronous_commit', 'off', true)`)
}

/** Not its row: whoever appends to the document would wait while a long text is stored. */
async function lockText(session: Session, id: number): Promise<void> {
  await session.rows(`SELECT pg_advisory_xact_lock(hashtextextended('coweave.text:' || $1::bigint, 0))`, [id])
}

function toFound([id, score, name, position, updatedAt]: readonly unknown[]): FoundDocument {
  if (
    typeof id === 'number' &&
    typeof score === 'number' &&
    typeof name === 'string' &&
    typeof position === 'number' &&
    typeof updatedAt === 'number'
  ) {
    return { id, score, name, position, updatedAt }
  }
  throw new StorageError('storage/corrupt', 'a text that was found is of no document')
}
