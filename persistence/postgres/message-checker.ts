import type { KeyRing } from '../encryption.ts'
import { StorageError } from '../storage-error.ts'
import { MESSAGE_COLUMNS } from '../stored-message.ts'
import type { Damage } from '../update-log.ts'
import type { Connections } from './connections.ts'
import { searchedWords, toMessage } from './message-table.ts'
import { attempt } from './problem.ts'
import type { Session } from './session.ts'

const PAGE_ROWS = 200

/** Each damaged message of the archive, and each that is found by other words than those of its text. */
export async function* findMessageDamages(
  connections: Connections,
  keys: KeyRing | undefined,
): AsyncGenerator<Damage, void, undefined> {
  for (let last: unknown = 0; ; ) {
    const sql = `SELECT entry, room, words IS NULL, ${MESSAGE_COLUMNS} FROM coweave.messages
      WHERE entry > $1 ORDER BY entry LIMIT ${PAGE_ROWS}`
    const { found: page = [], problem } = await attempt('messages', () =>
      connections.read((session) => session.rows(sql, [last])),
    )
    if (problem !== undefined) yield { document: undefined, position: undefined, problem }
    for (const row of page) {
      last = row[0]
      const room = String(row[1])
      const { problem } = await attempt(room, () => connections.read((session) => checkMessage(session, keys, row)))
      if (problem !== undefined) yield { document: room, position: undefined, problem }
    }
    if (page.length < PAGE_ROWS) return
  }
}

/** @throws {StorageError} `storage/corrupt`, naming room and seq */
async function checkMessage(
  session: Session,
  keys: KeyRing | undefined,
  [entry, room, isUnindexed, ...values]: readonly unknown[],
): Promise<void> {
  const message = toMessage(keys, room, values)
  const isEncrypted = values[2] !== null
  const words = isEncrypted ? null : searchedWords(message)
  if (isEncrypted && isUnindexed === true) return
  // It may have changed since it was read; then it is another one's turn to look.
  const [found] = await session.rows(
    `SELECT 1 FROM coweave.messages WHERE entry = $1 AND checksum = $2 AND words IS DISTINCT FROM $3::tsvector`,
    [entry, values.at(-1), words],
  )
  if (found === undefined) return
  const problem = `${message.room}: the words of the message with seq ${message.seq} differ from its text`
  throw new StorageError('storage/corrupt', problem)
}
