import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { WrittenRooms } from './chat-open.ts'
import { wordOf } from './chat-room.ts'
import { HttpConnection } from './http-connection.ts'
import { parameters } from './parameters.ts'
import { coweave } from './peers.ts'
import { median, type Row } from './results.ts'

const { bigRoom, pageSize, asked, askedTogether, askingRounds } = parameters.chat
const PAGE = 'SELECT * FROM messages WHERE room = ? AND seq < ? ORDER BY seq DESC LIMIT ?'
const SEARCH = `SELECT messages.* FROM messages_text JOIN messages ON row = messages_text.rowid
  WHERE messages_text MATCH ? ORDER BY messages_text.rowid DESC LIMIT ?`

/** Something to ask for, over HTTP and of SQLite itself. */
interface Question {
  readonly path: string
  /** Returns how many rows it found. */
  ask(): number
}

/** Pages and searches over HTTP beside the same queries in SQLite itself, round by round in turn. */
export async function measureArchive({ folder, big }: WrittenRooms, log: (line: string) => void): Promise<Row[]> {
  const server = await coweave.start(folder)
  const db = new Database(join(folder, 'coweave.db'), { readonly: true })
  const connections = await Promise.all(
    Array.from({ length: askedTogether }, () => HttpConnection.open(server.url, server.token)),
  )
  try {
    const room = big.replace(/@.*/, '')
    const [page, search] = [db.prepare(PAGE), db.prepare(SEARCH)]
    const pageBefore = (seq: number): Question => ({
      path: `/api/rooms/${encodeURIComponent(room)}/messages?limit=${pageSize}&before=${seq}`,
      ask: () => page.all(room, seq, pageSize).length,
    })
    const searchFor = (one: string, two: string): Question => ({
      path: `/api/search/messages?q=${one}+${two}&limit=${pageSize}`,
      ask: () => search.all(`"${one}" AND "${two}"*`, pageSize).length,
    })
    const questions: readonly [string, () => Question][] = [
      ['a page of 100', () => pageBefore(pageSize + 1 + random(bigRoom - pageSize))],
      ['a search, common words', () => searchFor(wordOf(random(20)), wordOf(random(20)))],
      ['a search, a rare word', () => searchFor(wordOf(500 + random(1_000)), wordOf(random(100)))],
    ]
    const rows: Row[] = []
    for (const [what, question] of questions) {
      const row = await compare(what, connections, question)
      log(`${row.measure}: ${row.ours.toFixed(0)} / ${row.theirs.toFixed(0)}`)
      rows.push(row)
    }
    return rows
  } finally {
    for (const connection of connections) connection.close()
    db.close()
    await server.stop(false)
  }
}

async function compare(what: string, connections: readonly HttpConnection[], question: () => Question): Promise<Row> {
  const ours: number[] = []
  const theirs: number[] = []
  for (let round = -1; round < askingRounds; round += 1) {
    const questions = Array.from({ length: asked }, question)
    const times = [await timeOfHttp(connections, questions), timeOfSqlite(questions)] as const
    if (round < 0) continue // the first round pays for compiling
    ours.push(times[0])
    theirs.push(times[1])
  }
  return {
    measure: `chat, ${what}, ${connections.length} at once, µs each (beside SQLite itself)`,
    ours: median(ours),
    theirs: median(theirs),
  }
}

/** µs for each question. An answer counts only if it holds what SQLite finds. */
async function timeOfHttp(connections: readonly HttpConnection[], questions: readonly Question[]): Promise<number> {
  const waiting = questions.values()
  const answers = new Map<Question, string>()
  const startedAt = performance.now()
  await Promise.all(
    connections.map(async (connection) => {
      for (const question of waiting) answers.set(question, await connection.get(question.path))
    }),
  )
  const ms = performance.now() - startedAt
  for (const [{ path, ask }, answer] of answers) {
    const { messages } = JSON.parse(answer)
    if (messages.length !== ask()) throw new Error(`${path} answered ${messages.length} messages instead of ${ask()}`)
  }
  return (ms * 1000) / questions.length
}

function timeOfSqlite(questions: readonly Question[]): number {
  const startedAt = performance.now()
  for (const { ask } of questions) ask()
  return ((performance.now() - startedAt) * 1000) / questions.length
}

function random(limit: number): number {
  return Math.floor(Math.random() * limit)
}
