import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import * as Y from 'yjs'
import { z } from 'zod'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import { nextLine, startChild } from './child.ts'
import { makeFolder } from './folder.ts'
import { expectStampsOnce } from './stamping.ts'
import { readAll, rebuild, Typist, textOf } from './updates.ts'

const Acknowledged = z.array(z.tuple([z.string(), z.number(), z.string()]))

async function open(file: string) {
  const log = await openSqliteLog({ file })
  onTestFinished(() => log.close())
  return log
}

/** Fails unless the log holds each acknowledged update at its position, and no position is missing. */
async function expectInLog(file: string, acknowledged: z.infer<typeof Acknowledged>): Promise<void> {
  const log = await openSqliteLog({ file })
  const found = new Map<string, string[]>()
  for (const { name, position } of await log.documents({ limit: 100 })) {
    const rows = await readAll(log, name)
    expect(rows.map((row) => row.position)).toEqual(Array.from({ length: position }, (_, index) => index + 1))
    found.set(
      name,
      rows.map((row) => textOf(row.data)),
    )
  }
  await log.close()
  const lost = acknowledged.filter(([document, position, text]) => found.get(document)?.[position - 1] !== text)
  expect(lost).toEqual([])
}

test('[promise 4] processes that append to one file share its positions', async () => {
  const file = join(await makeFolder(), 'log.db')
  const acknowledged = await Promise.all(
    ['p', 'q', 'r'].map(async (name) => {
      const child = startChild('append', `sqlite:${file}`, name, '150')
      const lines = await Array.fromAsync(child.lines)
      expect(await child.exited).toEqual({ code: 0, stderr: '' })
      return lines.flatMap((line) => Acknowledged.parse(JSON.parse(line)))
    }),
  )
  const all = acknowledged.flat()
  expect(new Set(all.map(([document, position]) => `${document} ${position}`)).size).toBe(all.length)
  await expectInLog(file, all)
})

test('[promise 4] processes that stamp messages on one file give each seq once, also when one is killed', async () => {
  const file = join(await makeFolder(), 'log.db')
  await expectStampsOnce(`sqlite:${file}`, () => open(file))
})

test('[promise 1] kill -9 loses nothing that was acknowledged', async () => {
  const file = join(await makeFolder(), 'log.db')
  const acknowledged: z.infer<typeof Acknowledged> = []
  for (const [round, batches] of [1, 5, 40, 90, 200].entries()) {
    const child = startChild('append', `sqlite:${file}`, `round ${round}`)
    for (let batch = 0; batch < batches; batch++) {
      acknowledged.push(...Acknowledged.parse(JSON.parse(await nextLine(child))))
    }
    await child.kill()
    for await (const line of child.lines) acknowledged.push(...Acknowledged.parse(JSON.parse(line)))
    await expectInLog(file, acknowledged)
  }
  expect(acknowledged.length).toBeGreaterThan(1_000)
})

test('[promise 1] kill -9 of one process does not disturb another on the same file', async () => {
  const file = join(await makeFolder(), 'log.db')
  const [killed, survivor] = [
    startChild('append', `sqlite:${file}`, 'killed'),
    startChild('append', `sqlite:${file}`, 'survivor', '200'),
  ]
  const acknowledged = Acknowledged.parse(JSON.parse(await nextLine(killed)))
  await nextLine(survivor).then((line) => acknowledged.push(...Acknowledged.parse(JSON.parse(line))))
  await killed.kill()
  for await (const line of survivor.lines) acknowledged.push(...Acknowledged.parse(JSON.parse(line)))
  expect((await survivor.exited).code).toBe(0)
  await expectInLog(file, acknowledged)
})

test('[promise 1] kill -9 in the middle of a compaction leaves the document as it was', async () => {
  const file = join(await makeFolder(), 'log.db')
  const typist = new Typist('big')
  const log = await openSqliteLog({ file })
  const parts = Array.from({ length: 40 }, (_, index) =>
    typist.edit((doc) => doc.getArray('parts').push([new Uint8Array(1_000_000).fill(index)])),
  )
  await log.append(parts.slice(0, 21))
  await log.compact('big')
  await log.append(parts.slice(21)) // weighs less than the snapshot: no compaction comes by itself
  await log.close()

  const db = new Database(file, { readonly: true, timeout: 5_000 })
  onTestFinished(() => {
    db.close()
  })
  const incomplete = db.prepare(
    'SELECT count(*) FROM snapshots JOIN snapshot_parts ON snapshot = id WHERE complete = 0 AND parts > 30',
  )
  const child = startChild('compact', file, 'big')
  let ended = false
  child.exited.then(() => {
    ended = true
  })
  let written = 0
  while (written < 3) {
    expect(ended).toBe(false)
    await nextTurn() // looks as often as it can, since nothing tells when another process has written a part
    written = Number(incomplete.pluck().get())
  }
  await child.kill()
  expect(written).toBeLessThan(38)

  const again = await open(file)
  const stored = await again.load('big')
  expect(stored).toMatchObject({ position: 40 })
  expect(Buffer.compare(Y.encodeStateAsUpdate(rebuild(stored)), Y.encodeStateAsUpdate(typist.doc))).toBe(0)
  expect(await again.compact('big')).toBe(40)
  const compacted = await again.load('big')
  expect(compacted.parts).toHaveLength(1)
  expect(rebuild(compacted).getArray('parts').length).toBe(40)
  expect(db.prepare('SELECT count(*) FROM snapshots').pluck().get()).toBe(1)
  expect(db.prepare('SELECT count(DISTINCT snapshot) FROM snapshot_parts').pluck().get()).toBe(1)
})
