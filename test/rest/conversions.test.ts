import { setImmediate } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import * as Y from 'yjs'
import { openLog } from '../../persistence/open-log.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { conversionThreads } from '../../server/conversions/conversion-threads.ts'
import { Conversions } from '../../server/conversions/conversions.ts'
import { newestSource, rebuild, sourceAt, unpackSource } from '../../server/documents/source.ts'
import { anchorAt, quotesIn } from '../../server/formats/anchors.ts'
import { changeContent } from '../../server/formats/formats.ts'
import { makeFolder } from '../persistence/folder.ts'

test('a document is what its log says at each position, before a snapshot, at it and behind it', async () => {
  const log = await open()
  const ydoc = new Y.Doc()
  const updates: Uint8Array[] = []
  ydoc.on('update', (update: Uint8Array) => updates.push(update))
  for (let count = 1; count <= 9; count += 1) {
    ydoc.getText('text').insert(0, String(count))
    const row = { document: 'x', at: count, author: 'ann', clients: count === 1 ? [ydoc.clientID] : [] }
    await log.append([{ ...row, data: updates.at(-1) ?? expect.unreachable() }])
    if (count === 5) expect(await log.compact('x')).toBe(5)
  }
  const at = (position: number, maxBytes = 10_000) => sourceAt(log, 'x', { position, maxBytes })
  for (let position = 0; position <= 9; position += 1) {
    const text = rebuild(unpackSource(await at(position)))
      .getText('text')
      .toString()
    expect(text).toBe('987654321'.slice(9 - position))
  }
  await log.retention.forget('x', 3)
  for (let position = 3; position <= 9; position += 1) {
    const text = rebuild(unpackSource(await at(position)))
      .getText('text')
      .toString()
    expect(text).toBe('987654321'.slice(9 - position))
  }
  await expect(at(2)).rejects.toMatchObject({ code: 'history/forgotten' })
  expect(await at(9, 0)).toMatchObject({ position: 9 })
  expect(await newestSource(log, 'x')).toMatchObject({ position: 9 })
  expect(await newestSource(log, 'none')).toMatchObject({ position: 0, bytes: 0 })
  await expect(at(10)).rejects.toMatchObject({ code: 'document/no-such-position' })
})

test('large content is read and written while the event loop turns, and what is too deep holds up nobody', async () => {
  const log = await open()
  const threads = conversionThreads((error) => expect.unreachable(error.message))
  onTestFinished(() => threads.close())
  const conversions = new Conversions({ log, threads, maxBytes: 1_000 })
  const write = (body: unknown, format: 'markdown' | 'json', document = 'x', position?: number) => {
    const writing = { format, field: 'default', change: { content: body } }
    return conversions.write('ann', document, { position, writer: undefined, writing, see: () => {} })
  }
  await write('the thread is there', 'markdown')
  const text = Array.from({ length: 3_000 }, (_, index) => `- **${index}** buy [milk](https://example.com/${index})`)
  const [{ update }, turnsOfWriting] = await countTurns(write(text.join('\n'), 'markdown'))
  const data = update ?? expect.unreachable('nothing is to be written')
  await log.append([{ document: 'x', at: 1, author: 'ann', clients: [], data }])
  const [read, turnsOfReading] = await countTurns(
    conversions.read('ann', 'x', { format: 'markdown', field: 'default' }),
  )
  expect(new TextDecoder().decode(read?.bytes)).toBe(`${text.join('\n')}\n`)
  // A conversion on the loop lets it turn a few times, before it and after it, however fast the machine is.
  for (const turns of [turnsOfWriting, turnsOfReading]) expect(turns).toBeGreaterThan(100)
  // Nor does it read without end what is only history.
  await log.append(Array.from({ length: 4 }, () => ({ document: 'y', at: 1, author: 'ann', clients: [], data })))
  expect(await log.compact('y')).toBe(4)
  const tooBig = { code: 'history/too-big' }
  const copied = conversions.read('ann', 'y', { format: 'update', field: '', position: 3 })
  await expect(copied).rejects.toMatchObject(tooBig)
  await expect(write('it ends', 'markdown', 'y', 3)).rejects.toMatchObject(tooBig)
  const deep = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000))
  for (let times = 0; times < 3; times += 1) {
    await expect(write(deep, 'json')).rejects.toMatchObject({ code: 'format/too-deep' })
  }
})

test('what is said about a document is quoted as far as it can be', async () => {
  const ydoc = new Y.Doc()
  changeContent(ydoc, 'default', 'markdown', { content: 'Buy milk' })
  const anchor = anchorAt(ydoc, { field: 'default', find: 'milk' })
  let inner: Y.XmlFragment = ydoc.getXmlFragment('deep')
  for (let depth = 0; depth < 200; depth += 1) {
    const element = new Y.XmlElement('blockquote')
    inner.insert(0, [element])
    inner = element
  }
  expect(quotesIn(ydoc)(anchor)).toBe('milk')

  const log = await open()
  const threads = conversionThreads((error) => expect.unreachable(error.message))
  onTestFinished(() => threads.close())
  const conversions = new Conversions({ log, threads, maxBytes: 1_000 })
  ydoc.getText('large').insert(0, 'x'.repeat(5_000_000))
  await log.append([{ document: 'x', at: 1, author: 'ann', clients: [], data: Y.encodeStateAsUpdate(ydoc) }])
  expect(await conversions.quotes('ann', 'x', [anchor, anchor])).toEqual([null, null])
  const place = { field: 'default', find: 'milk' }
  await expect(conversions.locate('ann', 'x', place)).rejects.toMatchObject({ code: 'format/too-big' })
})

async function open(): Promise<UpdateLog> {
  const onProblem = (error: Error) => expect.unreachable(error.message)
  const log = await openLog({ url: `sqlite:${await makeFolder()}/log.db`, create: true, onProblem })
  onTestFinished(() => log.close())
  return log
}

/** What `work` resolves with, and how often the event loop turned meanwhile. */
async function countTurns<T>(work: Promise<T>): Promise<[T, number]> {
  let isDone = false
  const done = work.finally(() => {
    isDone = true
  })
  let turns = 0
  while (!isDone) {
    await setImmediate()
    turns += 1
  }
  return [await done, turns]
}
