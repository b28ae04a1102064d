import type { KeyRing } from '../encryption.ts'
import type { FoundMessages } from '../message-store.ts'
import { MESSAGE_COLUMNS } from '../stored-message.ts'
import { tsqueryOf } from '../words.ts'
import { toMessage } from './message-table.ts'
import type { Session } from './session.ts'

/** Messages that one search looks at, at most. */
const MAX_SCANNED = 5_000
/** Where the server plans badly, a search ends here instead of keeping others from theirs. */
const TIMEOUT_MS = 20_000

export interface Search {
  readonly query: string
  readonly room: string | undefined
  readonly except: readonly string[]
  /** The entry behind the newest one to look at. */
  readonly before: number
  readonly limit: number
}

/** Searches the texts of messages, newest first; call it inside a transaction. */
export async function searchMessages(
  session: Session,
  keys: KeyRing | undefined,
  { query, room, except, before, limit }: Search,
): Promise<FoundMessages> {
  const expression = tsqueryOf(query)
  if (expression === undefined) return { messages: [], next: undefined }
  await session.rows(`SELECT set_config('statement_timeout', '${TIMEOUT_MS}', true)`)
  const rows = await session.rows(
    `WITH hits AS MATERIALIZED (
       SELECT entry, room FROM coweave.messages WHERE words @@ $1::tsquery AND entry < $2
       ORDER BY entry DESC LIMIT ${MAX_SCANNED}
     )
     SELECT scanned, last, entry, room, ${MESSAGE_COLUMNS}
     FROM (SELECT count(*) AS scanned, min(entry) AS last FROM hits) AS scan
     LEFT JOIN (
       SELECT entry FROM hits WHERE ($3::text IS NULL OR room = $3) AND ($3 IS NOT NULL OR NOT room = ANY ($4::text[]))
       ORDER BY entry DESC LIMIT $5
     ) AS wanted ON true
     LEFT JOIN coweave.messages USING (entry)
     ORDER BY entry DESC`,
    [expression, before, room ?? null, except, limit],
  )
  const messages = rows
    .filter(([, , entry]) => entry !== null)
    .map(([, , , found, ...values]) => toMessage(keys, found, values))
  const [scanned, last] = rows[0] ?? []
  if (messages.length === limit) return { messages, next: Number(rows.at(-1)?.[2]) }
  return { messages, next: scanned === MAX_SCANNED ? Number(last) : undefined }
}
