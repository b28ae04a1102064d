import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import type { Difference, HistoryRoot } from '../../model/history.ts'
import { openPostgresLog } from '../../persistence/postgres/postgres-log.ts'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import type { NewUpdate, UpdateLog } from '../../persistence/update-log.ts'
import { History } from '../../server/history/history.ts'
import { historyThreads } from '../../server/history/history-threads.ts'
import { type Client, openClient } from '../support/clients.ts'
import { startPostgres } from '../support/postgres.ts'
import { createRandom, isSoak, seedsFor } from '../support/random.ts'
import { startServer, type TestServer, temporaryFolder, tokenFor } from '../support/server.ts'
import { applyPatches, type ConcurrentTrace, readTrace, tracesMissing } from '../support/traces.ts'

const document = 'stories/friends-forever'
const SAMPLES = isSoak ? 200 : 8
/** Too few rows for a snapshot of their own accord. */
const FEW_ROWS = 1_500
const RESTORED = isSoak ? 50 : 1
/** Faster than anybody types, and so slow that there are characters enough for all restores. */
const KEYSTROKE_MS = 10

/** The trace as rows of a log, a transaction a row, and the text after each row of `samples`. */
interface Recorded {
  readonly rows: readonly NewUpdate[]
  readonly texts: ReadonlyMap<number, string>
  /** Who wrote each character of the text at the end, told by the same edits in a second text of the writers' numbers. */
  readonly writers: string
}

function record({ txns, numAgents }: ConcurrentTrace, samples: ReadonlySet<number>): Recorded {
  const replicas = Array.from({ length: numAgents }, (_, agent) => ({
    doc: new Y.Doc(),
    has: new Set<number>(),
    agent,
  }))
  for (const { doc, agent } of replicas) doc.clientID = agent + 1
  const rows: NewUpdate[] = []
  const texts = new Map<number, string>()
  const whole = new Y.Doc()
  for (const [index, { agent, parents, patches }] of txns.entries()) {
    const { doc, has } = replicas[agent] ?? expect.unreachable()
    for (const missing of missingFrom(parents, txns, has)) {
      Y.applyUpdate(doc, rows[missing]?.data ?? expect.unreachable())
      has.add(missing)
    }
    const data = updateOf(doc, () => {
      applyPatches(doc.getText('text'), patches)
      const named = patches.map(([at, deleted, text]) => [at, deleted, String(agent).repeat(text.length)] as const)
      applyPatches(doc.getText('writers'), named)
    })
    has.add(index)
    rows.push({ document, at: 1_600_000_000_000 + index * 1_000, author: `writer ${agent}`, data, clients: [] })
    Y.applyUpdate(whole, data)
    if (samples.has(index + 1)) texts.set(index + 1, whole.getText('text').toString())
  }
  return { rows, texts, writers: whole.getText('writers').toString() }
}

function updateOf(doc: Y.Doc, edit: () => void): Uint8Array {
  const made: Uint8Array[] = []
  const keep = (update: Uint8Array) => made.push(update)
  doc.on('update', keep)
  doc.transact(edit)
  doc.off('update', keep)
  return made[0] ?? expect.unreachable()
}

/** Transactions that `parents` stand on, themselves included, and that are not in `known`; each behind its own parents. */
function missingFrom(parents: readonly number[], txns: ConcurrentTrace['txns'], known: ReadonlySet<number>): number[] {
  const missing = new Set<number>()
  const left = [...parents]
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (known.has(next) || missing.has(next)) continue
    missing.add(next)
    left.push(...(txns[next]?.parents ?? []))
  }
  return [...missing].sort((one, other) => one - other)
}

function textOf(update: Uint8Array): string {
  const doc = new Y.Doc()
  Y.applyUpdate(doc, update)
  return doc.getText('text').toString()
}

function rootOf(json: string, name: string): Extract<HistoryRoot['content'], { type: 'text' }> {
  const { roots }: Difference = JSON.parse(json)
  const content = roots.find((root) => root.name === name)?.content
  return content?.type === 'text' ? content : expect.unreachable()
}

/** What a log tells of the story at each of `samples`, from rows and from snapshots, and who wrote its end: that it returns. */
async function expectStory(
  log: UpdateLog,
  threads: ReturnType<typeof historyThreads>,
  { rows, texts, writers }: Recorded,
  { samples, end }: { readonly samples: ReadonlySet<number>; readonly end: string },
): Promise<string> {
  const history = new History({ log, threads, maxBytes: 2 ** 26 })
  const last = rows.length
  const middle = last - FEW_ROWS
  await log.append(rows.slice(0, middle))
  await log.compact(document)
  await log.append(rows.slice(middle))
  let blame = ''
  for (const snapshot of [middle, last]) {
    expect((await log.load(document)).snapshot).toBe(snapshot)
    const positions = [...samples].filter((_, index) => isSoak || snapshot === middle || index % 3 === 1)
    await inTurn(positions, 2, async (position) => {
      const update = await history.state('ann', document, position)
      expect(textOf(update), `position ${position}`).toBe(texts.get(position) ?? '')
    })
    if (isSoak || snapshot === last) {
      blame = await history.blame('ann', document, last)
      const { runs } = rootOf(blame, 'text')
      const blamed = runs.map((run) => ('text' in run ? (run.change?.user.at(-1) ?? '?').repeat(run.text.length) : ''))
      expect(runs.map((run) => ('text' in run ? run.text : '')).join('')).toBe(end)
      expect(blamed.join('')).toBe(writers)
    }
    expect(await log.compact(document)).toBe(last)
  }
  return blame
}

test.for(seedsFor([1], 0))(
  'two people’s story is as it was at any position, by whom it was, and is brought back while somebody types (rerun with SEED=%i)',
  { timeout: isSoak ? 1_800_000 : 300_000 },
  async (seed, { skip }) => {
    const trace = readTrace<ConcurrentTrace>('friendsforever')
    if (trace === undefined) return skip(tracesMissing)
    const random = createRandom(seed)
    const last = trace.txns.length
    const late = Array.from({ length: SAMPLES / 5 }, () => last - FEW_ROWS + random.int(FEW_ROWS))
    const anywhere = Array.from({ length: SAMPLES }, () => 1 + random.int(last))
    const samples = new Set([0, last, last - FEW_ROWS, ...late, ...anywhere])
    const recorded = record(trace, samples)
    const { texts } = recorded
    const story = { samples, end: trace.endContent }
    const folder = temporaryFolder()
    const threads = historyThreads(() => {})
    const log = await openSqliteLog({ file: join(folder, 'coweave.db') })
    const blame = await expectStory(log, threads, recorded, story)
    /** Packed, and then without its beginning, all is as before. */
    async function expectSamePacked(packed: UpdateLog): Promise<void> {
      const history = new History({ log: packed, threads, maxBytes: 2 ** 26 })
      const expectSame = (positions: readonly number[]) =>
        inTurn(positions, 2, async (position) => {
          const update = await history.state('ann', document, position)
          expect(textOf(update), `position ${position}, packed`).toBe(texts.get(position) ?? '')
        })
      expect(await packed.retention.pack(document, last)).toBeGreaterThan(last - 100)
      expect(await history.blame('ann', document, last)).toBe(blame)
      await expectSame([...samples].filter((_, index) => isSoak || index % 3 === 2))
      const begins = random.pick([...samples])
      expect(await packed.retention.forget(document, begins)).toBe(begins)
      await expectSame([...samples].filter((position, index) => position >= begins && index % 3 === 0))
    }
    const copy = join(temporaryFolder(), 'coweave.db')
    await log.backup(copy)
    await log.close()
    const packed = await openSqliteLog({ file: copy })
    await expectSamePacked(packed)
    await packed.close()
    const postgres = isSoak ? await startPostgres() : undefined
    if (postgres !== undefined) {
      const other = await openPostgresLog({ url: await postgres.createDatabase() })
      await expectStory(other, threads, recorded, story)
      await expectSamePacked(other)
      await other.close()
      await postgres.stop()
    }
    await threads.close()

    const server = await startServer({ folder })
    const typing = new Typing(server)
    for (let round = 0; round < RESTORED; round++) {
      const position = random.pick([...samples])
      const { before, typed } = await typing.during(() => restore(server, position))
      const taken = textOf(await stateOf(server, before))
      const stayed = typed.filter((character) => !taken.includes(character))
      const text = typing.text
      expect([...text].filter((character) => stayed.includes(character))).toHaveLength(stayed.length)
      const restored = [...text].filter((character) => !stayed.includes(character)).join('')
      expect(restored, `restored to position ${position}`).toBe(texts.get(position) ?? '')
    }
    console.log(`SEED=${seed}: ${last} rows, ${samples.size} positions rebuilt, ${RESTORED} restored`)
    await typing.end()
    expect(await server.stop()).toBe(0)
  },
)

/** Does `work` with each item, so many at a time. */
async function inTurn<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values()
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const item of left) await work(item)
    }),
  )
}

/** Somebody who types a character of their own at a time, at the end, as fast as they are saved. */
class Typing {
  readonly #client: Client
  #next = 0x3400 // the story is plain ASCII, and up to the surrogates there are more than anybody types here

  constructor(server: TestServer) {
    this.#client = openClient(server, document, { user: 'cleo' })
  }

  get text(): string {
    return this.#client.text.toString()
  }

  /** Types until `work` is done, and once more; resolves when its update and all that was typed have come. */
  async during(work: () => Promise<number>): Promise<{ before: number; typed: string[] }> {
    await this.#client.synced()
    const typed: string[] = []
    let before: number | undefined
    const done = work().then((position) => {
      before = position
    })
    for (let isLast = false; !isLast; ) {
      isLast = before !== undefined
      expect(this.#next, 'no character is typed twice').toBeLessThan(0xd800)
      const character = String.fromCharCode(this.#next++)
      this.#client.text.insert(this.#client.text.length, character)
      typed.push(character)
      await this.#client.saved()
      await setTimeout(KEYSTROKE_MS)
    }
    await done
    // A reader who comes later sees the same: by then all of it has come here too.
    return { before: before ?? expect.unreachable(), typed }
  }

  async end(): Promise<void> {
    await this.#client.saved()
    this.#client.destroy()
  }
}

function urlOf(server: TestServer, path: string): string {
  return `${server.url}/api/documents/${encodeURIComponent(document)}/${path}`
}

/** Resolves with the last position that was taken back. */
async function restore(server: TestServer, position: number): Promise<number> {
  const response = await fetch(urlOf(server, 'restore'), {
    method: 'POST',
    headers: { authorization: `Bearer ${tokenFor('dora')}`, 'content-type': 'application/json' },
    body: JSON.stringify({ position }),
  })
  const answer: { before: number; changed: boolean } = await response.json()
  expect(answer).toMatchObject({ changed: true })
  return answer.before
}

async function stateOf(server: TestServer, position: number): Promise<Uint8Array> {
  const headers = { authorization: `Bearer ${tokenFor('dora')}` }
  return new Uint8Array(await (await fetch(urlOf(server, `state?position=${position}`), { headers })).arrayBuffer())
}
