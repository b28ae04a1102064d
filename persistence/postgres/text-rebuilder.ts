import type { ArchivedMessage } from '../message-store.ts'
import { StorageError } from '../storage-error.ts'
import { MESSAGE_COLUMNS } from '../stored-message.ts'
import type { Connections } from './connections.ts'
import { searchedWords, toMessage } from './message-table.ts'
import type { Session } from './session.ts'

const PAGE_ROWS = 500

interface Page {
  readonly messages: number
  /** The last entry; undefined when there is nothing more. */
  readonly last: number | undefined
}

/**
 * Does as TextIndex.rebuild() says, in several transactions: done twice, or cut off, it harms nothing. The indexes come
 * first, since what is changed is written into them.
 */
export async function rebuildTexts(connections: Connections): Promise<number> {
  await connections.write(async (session) => {
    await session.rows('DELETE FROM coweave.texts')
    await session.rows('DELETE FROM coweave.text_states')
  })
  for (const index of ['texts_words', 'messages_words']) {
    await connections.write((session) => session.rows(`REINDEX INDEX coweave.${index}`))
  }
  let messages = 0
  for (let after: number | undefined = 0; after !== undefined; ) {
    const from: number = after
    const page: Page = await connections.write((session) => rebuildPage(session, from))
    messages += page.messages
    after = page.last
  }
  return messages
}

async function rebuildPage(session: Session, after: number): Promise<Page> {
  // Locked, so that nobody edits one meanwhile.
  const rows = await session.rows(
    `SELECT entry, room, ${MESSAGE_COLUMNS} FROM coweave.messages WHERE entry > $1 ORDER BY entry LIMIT ${PAGE_ROWS}
     FOR UPDATE`,
    [after],
  )
  const found = rows.flatMap(([entry, room, ...values]) => {
    const message = readable(room, values)
    return message === undefined ? [] : [{ entry: Number(entry), words: searchedWords(message) }]
  })
  await session.rows(
    `UPDATE coweave.messages AS message SET words = given.words::tsvector
     FROM unnest($1::bigint[], $2::text[]) AS given (entry, words)
     WHERE message.entry = given.entry AND message.words IS DISTINCT FROM given.words::tsvector`,
    [found.map(({ entry }) => entry), found.map(({ words }) => words)],
  )
  return { messages: found.length, last: rows.length < PAGE_ROWS ? undefined : Number(rows.at(-1)?.[0]) }
}

/** Undefined for a damaged message, which is found by what it was found by before: a check names it. */
function readable(room: unknown, values: readonly unknown[]): ArchivedMessage | undefined {
  try {
    const message = toMessage(undefined, room, values)
    JSON.parse(message.json)
    return message
  } catch (error) {
    if (error instanceof StorageError || error instanceof SyntaxError) return undefined
    throw error
  }
}
