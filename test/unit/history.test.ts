import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import * as Y from 'yjs'
import { CoweaveError } from '../../model/errors.ts'
import type { Entry, HistoryNode, HistoryRoot, HistoryValue, Marks } from '../../model/history.ts'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import { WorkerThread } from '../../persistence/worker-thread.ts'
import type { Source } from '../../server/documents/source.ts'
import { difference, differenceJson } from '../../server/history/difference.ts'
import { SessionGrouping } from '../../server/history/editing-sessions.ts'
import { History } from '../../server/history/history.ts'
import { historyThreads } from '../../server/history/history-threads.ts'
import type { Request } from '../../server/history/protocol.ts'
import { RangeMap } from '../../server/history/range-map.ts'
import { revertingUpdate } from '../../server/history/revert.ts'
import { statusOf } from '../../server/http/problem.ts'
import { makeFolder } from '../persistence/folder.ts'
import { Typist, update } from '../persistence/updates.ts'
import { createRandom, isSoak, seedsFor } from '../support/random.ts'
import { makeDocument, type RandomDocument, rootsAt } from '../support/random-document.ts'

const SEEDS = seedsFor([1], isSoak ? 30 : 1)
const DOCUMENTS = 12

/** Documents of one seed, each with some positions in it. */
function* documents(seed: number): Generator<RandomDocument & { source: Source; from: number; to: number }> {
  for (let index = 0; index < DOCUMENTS; index++) {
    const random = createRandom(seed * DOCUMENTS + index)
    const made = makeDocument(random, 20 + random.int(60))
    const from = random.int(made.rows.length + 1)
    const to = from + random.int(made.rows.length + 1 - from)
    yield { ...made, source: { document: 'random', snapshot: undefined, rows: made.rows }, from, to }
  }
}

/** Rows behind a snapshot that is made of those before, as compaction makes it. */
function withSnapshot({ document, rows }: Source, position: number): Source {
  const data = Y.encodeStateAsUpdate(rootsAt(rows, position))
  return { document, snapshot: { position, data }, rows: rows.slice(position) }
}

test.each(SEEDS)(
  'everything that was done since any position is taken back, whatever the roots are (SEED=%i)',
  (seed) => {
    let changed = 0
    for (const { rows, source, from } of documents(seed)) {
      const restored = rootsAt(rows, rows.length)
      for (const given of [source, withSnapshot(source, Math.trunc(from / 2))]) {
        const update = revertingUpdate(given, from, () => true)
        const result = rootsAt(rows, rows.length)
        if (update !== undefined) Y.applyUpdate(result, update)
        expect(shownIn(result)).toEqual(shownIn(rootsAt(rows, from)))
        if (update !== undefined && given === source) Y.applyUpdate(restored, update)
      }
      if (JSON.stringify(shownIn(restored)) !== JSON.stringify(shownIn(rootsAt(rows, rows.length)))) changed += 1
    }
    expect(changed).toBeGreaterThan(0)
  },
)

test.each(SEEDS)('what one user did since a position is taken back, and nothing else (SEED=%i)', (seed) => {
  let changed = 0
  for (const { rows, source, from, inserted, deleted } of documents(seed)) {
    const isTaken = (row: { author: string; position: number } | undefined) =>
      row !== undefined && row.author === 'user 1' && row.position > from
    const update = revertingUpdate(source, from, isTaken)
    const doc = rootsAt(rows, rows.length)
    if (update !== undefined) Y.applyUpdate(doc, update)
    const expected = [...inserted].filter(([character, row]) => {
      const gone = deleted.get(character)
      return !isTaken(row) && (gone === undefined || isTaken(gone))
    })
    const text = doc.getText('text').toString()
    expect([...text].sort()).toEqual(expected.map(([character]) => character).sort())
    if (text !== rootsAt(rows, rows.length).getText('text').toString()) changed += 1
  }
  expect(changed).toBeGreaterThan(0)
})

test.each(SEEDS)('what was taken back once is not brought back twice (SEED=%i)', (seed) => {
  let changed = 0
  for (const { rows, source, from } of documents(seed)) {
    const byUser = ({ author }: { author: string }) => author === 'user 1'
    const all = [...rows]
    const add = (data: Uint8Array | undefined) => {
      if (data !== undefined) all.push({ position: all.length + 1, at: 0, author: 'admin', data })
      return shownIn(rootsAt(all, all.length))
    }
    const after = add(revertingUpdate(source, from, byUser))
    expect(add(revertingUpdate({ ...source, rows: all }, from, byUser))).toEqual(after)
    // Somebody has it all again as it was before.
    const undoing = revertingUpdate({ ...source, rows: all }, rows.length, () => true)
    expect(add(undoing)).toEqual(shownIn(rootsAt(rows, rows.length)))
    if (undoing !== undefined) changed += 1
  }
  expect(changed).toBeGreaterThan(0)
})

test.each(SEEDS)('a difference tells both how it was and how it is, in every kind of type (SEED=%i)', (seed) => {
  const kinds = new Set<string>()
  for (const { rows, source, from, to } of documents(seed)) {
    const until = { ...source, rows: rows.slice(0, to) }
    for (const given of [until, withSnapshot(until, from)]) {
      const { roots } = JSON.parse(differenceJson(difference(given, from)))
      expect(sideOf(roots, 'was')).toEqual(shownIn(rootsAt(rows, from)))
      expect(sideOf(roots, 'is')).toEqual(shownIn(rootsAt(rows, to)))
      for (const [, kind] of JSON.stringify(roots).matchAll(/"kind":"(\w+)"/g)) kinds.add(String(kind))
    }
  }
  expect([...kinds]).toEqual(expect.arrayContaining(['deleted', 'inserted']))
})

test.each(SEEDS)('each character is by who sent it first, and deleted by who deleted it first (SEED=%i)', (seed) => {
  let checked = 0
  for (const { rows, source, from, inserted, deleted } of documents(seed)) {
    const blame = difference(source, 0)
    expect(sideOf(blame.roots, 'is')).toEqual(shownIn(rootsAt(rows, rows.length)))
    expect(sideOf(blame.roots, 'was')).toEqual(shownIn(new Y.Doc()))
    for (const { roots } of [blame, difference(source, from)]) {
      for (const run of runsOf(roots, 'text')) {
        if (!('text' in run) || run.change === undefined) continue
        if (run.change.kind !== 'inserted' && run.change.kind !== 'deleted') continue
        const by = run.change.kind === 'inserted' ? inserted : deleted
        const positions = [...run.text].map((character) => by.get(character)?.position ?? 0)
        expect([...new Set([...run.text].map((character) => by.get(character)?.author))]).toEqual([run.change.user])
        expect(Math.max(...positions)).toBe(run.change.position)
        checked += run.text.length
      }
    }
  }
  expect(checked).toBeGreaterThan(0)
})

test.each(SEEDS)('what was there before the history begins is nobody’s, whoever sends it again (SEED=%i)', (seed) => {
  const checked = { own: 0, nobodys: 0 }
  for (const { rows, source, from, inserted } of documents(seed)) {
    const again = { position: rows.length + 1, at: 1, author: 'eve', data: Y.encodeStateAsUpdate(rootsAt(rows, from)) }
    const blame = difference(withSnapshot({ ...source, rows: [...rows, again] }, from), 0)
    expect(sideOf(blame.roots, 'is')).toEqual(shownIn(rootsAt(rows, rows.length)))
    expect(JSON.stringify(blame.roots)).not.toMatch(/"user":"(eve)?"|"kind":"deleted"/)
    for (const run of runsOf(blame.roots, 'text')) {
      for (const character of 'text' in run ? run.text : '') {
        const row = inserted.get(character)
        const isKept = row !== undefined && row.position > from
        expect(run.change?.user).toBe(isKept ? row.author : undefined)
        checked[isKept ? 'own' : 'nobodys'] += 1
      }
    }
  }
  expect(checked.own).toBeGreaterThan(0)
  expect(checked.nobodys).toBeGreaterThan(0)
})

test('a range keeps what was set first', () => {
  const random = createRandom(1)
  const map = new RangeMap()
  const expected = new Map<number, number>()
  for (let value = 1; value <= 200; value++) {
    const start = random.int(500)
    const end = start + 1 + random.int(20)
    map.add(7, start, end, value)
    for (let clock = start; clock < end; clock++) if (!expected.has(clock)) expected.set(clock, value)
  }
  for (let clock = 0; clock < 520; ) {
    const { value: found, end: before } = map.at(7, clock)
    for (; clock < Math.min(before, 520); clock++) expect(found).toBe(expected.get(clock))
  }
  expect(map.at(8, 0)).toEqual({ value: undefined, end: Number.POSITIVE_INFINITY })
})

test('sessions end where their user pauses, and those of several users overlap', () => {
  const grouping = new SessionGrouping(10)
  const rows = [
    [1, 'ann', 100],
    [2, 'bob', 105],
    [3, 'ann', 110],
    [4, 'bob', 120],
    [5, 'ann', 121],
    [6, 'ann', 200],
  ] as const
  for (const [position, author, at] of rows.toReversed()) {
    grouping.add({ position, author, at, inserted: position, deleted: 1 })
    expect(grouping.isPause(at - 10)).toBe(false)
    expect(grouping.isPause(at - 11)).toBe(true)
  }
  expect(grouping.end()).toEqual([
    { user: 'ann', from: 200, to: 200, firstPosition: 6, lastPosition: 6, updates: 1, inserted: 6, deleted: 1 },
    { user: 'ann', from: 121, to: 121, firstPosition: 5, lastPosition: 5, updates: 1, inserted: 5, deleted: 1 },
    { user: 'bob', from: 120, to: 120, firstPosition: 4, lastPosition: 4, updates: 1, inserted: 4, deleted: 1 },
    { user: 'ann', from: 100, to: 110, firstPosition: 1, lastPosition: 3, updates: 2, inserted: 4, deleted: 2 },
    { user: 'bob', from: 105, to: 105, firstPosition: 2, lastPosition: 2, updates: 1, inserted: 2, deleted: 1 },
  ])
})

test('a few are answered at a time, a few wait, and who comes after that is told to come back', async () => {
  const threads = historyThreads(() => {})
  onTestFinished(() => threads.close())
  const gate = Promise.withResolvers<string>()
  const refusalOf = (user: string) => threads.use(user, () => gate.promise).then(String, statusAndCode)
  const own = Array.from({ length: 4 }, () => threads.use('ann', () => gate.promise))
  expect(await refusalOf('ann')).toEqual([429, 'history/too-many'])
  // Two are under way, and two wait already.
  const others = Array.from({ length: 30 }, (_, index) => threads.use(`user ${index}`, () => gate.promise))
  expect(await refusalOf('bob')).toEqual([503, 'history/busy'])
  gate.resolve('done')
  expect(new Set(await Promise.all([...own, ...others]))).toEqual(new Set(['done']))
  expect(await refusalOf('ann')).toBe('done')
})

test('who fails leaves the place to the next one', async () => {
  const threads = historyThreads(() => {})
  onTestFinished(() => threads.close())
  const failures = Array.from({ length: 4 }, () => threads.use('ann', () => Promise.reject(new Error('no'))))
  for (const { status } of await Promise.allSettled(failures)) expect(status).toBe('rejected')
  expect(await threads.use('ann', async () => 'done')).toBe('done')
})

test('closing waits for those under way, and refuses the others', async () => {
  const threads = historyThreads(() => {})
  const gate = Promise.withResolvers<string>()
  const uses = ['a', 'b', 'c'].map((user) => threads.use(user, () => gate.promise).catch(statusAndCode))
  const closed = threads.close()
  expect(await uses[2]).toEqual([503, 'history/busy'])
  expect(await threads.use('d', () => gate.promise).catch(statusAndCode)).toEqual([503, 'history/busy'])
  gate.resolve('done')
  await closed
  expect(await Promise.all(uses.slice(0, 2))).toEqual(['done', 'done'])
})

test('a history that is too long to be read is refused, and one that is damaged is no empty one', async () => {
  const folder = await makeFolder()
  const log = await openSqliteLog({ file: join(folder, 'log.db') })
  const threads = historyThreads(() => {})
  onTestFinished(async () => {
    await Promise.all([log.close(), threads.close()])
  })
  const typist = new Typist('long')
  await log.append([typist.type('x'.repeat(500)), typist.type('y'.repeat(600)), update('damaged', 'no Yjs update')])
  const history = new History({ log, threads, maxBytes: 1_000 })
  expect((await history.state('ann', 'long', 1)).length).toBeGreaterThan(500)
  expect(await history.state('ann', 'long', 2).catch(statusAndCode)).toEqual([422, 'history/too-big'])
  for (const ask of ['state', 'blame'] as const) {
    expect(await history[ask]('ann', 'damaged', 1).catch(statusAndCode)).toEqual([503, 'storage/corrupt'])
  }
  const reverting = history.reverting('ann', 'damaged', { after: 0, until: 1 })
  expect(await reverting.catch(statusAndCode)).toEqual([503, 'storage/corrupt'])
})

test('sessions of long updates are made of some of them at a time', async () => {
  const log = await openSqliteLog({ file: join(await makeFolder(), 'log.db') })
  const threads = historyThreads(() => {})
  onTestFinished(async () => {
    await Promise.all([log.close(), threads.close()])
  })
  const typist = new Typist('long')
  const rows = Array.from({ length: 6 }, () => typist.type('x'.repeat(700_000)))
  await log.append(rows)
  const calls = vi.spyOn(WorkerThread.prototype, 'call')
  onTestFinished(() => calls.mockRestore())
  const history = new History({ log, threads, maxBytes: 1_000 })
  const { sessions } = await history.sessions('ann', 'long', { before: 7, limit: 10, pauseMs: 1_000 })
  expect(sessions.map(({ updates, inserted }) => ({ updates, inserted }))).toEqual([
    { updates: 6, inserted: 6 * 700_000 },
  ])
  const given = calls.mock.calls.flatMap(([request]) => (isVolumes(request) ? [request.source.bytes] : []))
  expect(given.length).toBeGreaterThan(1)
  for (const bytes of given) expect(bytes).toBeLessThan(2_000_000)
})

function isVolumes(request: unknown): request is Request {
  return typeof request === 'object' && request !== null && 'task' in request && 'source' in request
}

function statusAndCode(error: unknown): unknown {
  return [statusOf(error), error instanceof CoweaveError ? error.code : error]
}

type Side = 'was' | 'is'
type Run = Extract<HistoryNode, { type: 'text' }>['runs'][number]

function runsOf(roots: readonly HistoryRoot[], name: string): readonly Run[] {
  const content = roots.find((root) => root.name === name)?.content
  return content?.type === 'text' ? content.runs : []
}

/** A document as its types' own methods show it. */
function shownIn(doc: Y.Doc): unknown {
  return {
    text: deltaOf(doc.getText('text')),
    xml: doc.getXmlFragment('xml').toArray().map(xmlOf),
    map: doc.getMap('map').toJSON(),
    array: doc.getArray('array').toJSON(),
  }
}

function deltaOf(text: Y.Text): unknown[] {
  const runs: { insert: unknown; attributes?: Marks }[] = text.toDelta()
  return joined(runs.map(({ insert, attributes = {} }) => ({ text: String(insert), marks: attributes })))
}

function xmlOf(node: unknown): unknown {
  if (node instanceof Y.XmlText) return deltaOf(node)
  if (!(node instanceof Y.XmlElement)) return expect.unreachable()
  return { name: node.nodeName, attributes: node.getAttributes(), children: node.toArray().map(xmlOf) }
}

/** One side of a difference, in the form of shownIn(). */
function sideOf(roots: readonly HistoryRoot[], side: Side): unknown {
  const rootOf = (name: string) => roots.find((root) => root.name === name)?.content
  const xml = rootOf('xml')
  return {
    text: nodeSide(rootOf('text') ?? { type: 'text', runs: [] }, side),
    xml: xml?.type === 'fragment' ? childrenSide(xml.children, side) : [],
    map: nodeSide(rootOf('map') ?? { type: 'map', entries: [] }, side),
    array: nodeSide(rootOf('array') ?? { type: 'array', items: [] }, side),
  }
}

function isOn({ change }: { readonly change?: { readonly kind: string } | undefined }, side: Side): boolean {
  return change?.kind !== (side === 'was' ? 'inserted' : 'deleted')
}

function nodeSide(node: HistoryNode, side: Side): unknown {
  switch (node.type) {
    case 'text':
      return joined(
        node.runs
          .filter((run) => isOn(run, side))
          .map((run) => ({
            text: 'text' in run ? run.text : expect.unreachable(),
            marks: side === 'was' ? (run.before ?? run.marks) : run.marks,
          })),
      )
    case 'element':
      return {
        name: node.name,
        attributes: entriesSide(node.attributes, side),
        children: childrenSide(node.children, side),
      }
    case 'map':
      return entriesSide(node.entries, side)
    case 'array':
      return node.items.filter((item) => isOn(item, side)).map((item) => valueSide(item, side))
    default:
      return expect.unreachable()
  }
}

function childrenSide(children: readonly HistoryNode[], side: Side): unknown[] {
  return children.filter((child) => isOn(child, side)).map((child) => nodeSide(child, side))
}

function entriesSide(entries: readonly Entry[], side: Side): unknown {
  const seen = entries.filter((entry) => isOn(entry, side))
  return Object.fromEntries(
    seen.map((entry) => [entry.key, valueSide(side === 'was' ? (entry.before ?? entry) : entry, side)]),
  )
}

function valueSide(value: HistoryValue, side: Side): unknown {
  return 'node' in value ? nodeSide(value.node, side) : value.value
}

/** Text with the same marks as one run, whoever wrote it. */
function joined(runs: readonly { text: string; marks: Marks }[]): unknown[] {
  const result: { text: string; marks: Marks }[] = []
  const keyOf = (marks: Marks) => JSON.stringify(Object.entries(marks).sort())
  for (const { text, marks } of runs) {
    const last = result.at(-1)
    if (last !== undefined && keyOf(last.marks) === keyOf(marks)) last.text += text
    else result.push({ text, marks })
  }
  return result
}
