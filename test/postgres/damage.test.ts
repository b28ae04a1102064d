import { open as openFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { findDamages } from '../../persistence/postgres/checker.ts'
import { Connections } from '../../persistence/postgres/connections.ts'
import { openPostgresLog } from '../../persistence/postgres/postgres-log.ts'
import type { Damage, UpdateLog } from '../../persistence/update-log.ts'
import { archived, readAll, rebuild, Typist, update } from '../persistence/updates.ts'
import { namedVersion } from '../persistence/version-store-contract.ts'
import { storeDeliveries, WEBHOOK_DAMAGES } from '../persistence/webhook-damages.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'

let postgres: TestPostgres
beforeAll(async () => {
  postgres = await startPostgres()
  const log = await openPostgresLog({ url: await postgres.createDatabase('template') })
  const typist = new Typist('snapped')
  await log.append(['a', 'b', 'c'].map((text) => update('plain', text, { clients: [text.charCodeAt(0)] })))
  await log.append(['x', 'y'].map((text) => update('other', text)))
  await log.append([typist.type('one '), typist.type('two ')])
  await log.compact('snapped')
  const messages = ['the launch', 'on Monday', 'at nine'].map((text, index) => archived('chat/a', index + 1, text))
  const events = ['one', 'two'].map((id) => ({ id, kind: 'k', at: 1, document: 'chat/a', users: [], json: '{}' }))
  await log.append([{ ...typist.type('three'), messages, events }])
  const { data } = new Typist('packed').type('x')
  await log.append(Array.from({ length: 80 }, () => update('packed', '', { data })))
  for (const until of [30, 60]) expect(await log.retention.pack('packed', until)).toBe(30)
  await log.versions.add('snapped', namedVersion('v', 1))
  await log.seen.raise('snapped', [{ user: 'ann', position: 1, at: 2 }])
  await storeDeliveries(log)
  await log.close()
})
afterAll(() => postgres.stop())

/** A log with a few documents in it, and something in its tables changed. */
async function damaged(sql: string): Promise<Damaged> {
  const url = await postgres.createDatabase(undefined, 'TEMPLATE template')
  const changed = await postgres.query(url, `${sql} RETURNING 1`)
  expect(changed.length).toBeGreaterThan(0)
  return await open(url)
}

interface Damaged {
  readonly log: UpdateLog
  /** What a check finds, without the thread that takes longer to start than all the rest. */
  check(): Promise<Damage[]>
}

async function open(url: string): Promise<Damaged> {
  const log = await openPostgresLog({ url })
  const connections = new Connections({ url, place: 'test', max: 1, onProblem: () => {} })
  onTestFinished(async () => {
    await log.close()
    await connections.close()
  })
  return { log, check: () => Array.fromAsync(findDamages(connections, undefined)) }
}

const PLAIN = `(SELECT id FROM coweave.documents WHERE name = 'plain')`
const OTHER = `(SELECT id FROM coweave.documents WHERE name = 'other')`
const SECOND = `document = ${PLAIN} AND position = 2`

describe('a damaged row is an error that names the document and the position', () => {
  test.each([
    ['changed bytes', `UPDATE coweave.updates SET data = '\\x00' WHERE ${SECOND}`],
    ['another author', `UPDATE coweave.updates SET author = 'eve' WHERE ${SECOND}`],
    ['another time', `UPDATE coweave.updates SET at = at + 1 WHERE ${SECOND}`],
    ['a key of its own', `UPDATE coweave.updates SET key = 'k' WHERE ${SECOND}`],
    ['gone', `DELETE FROM coweave.updates WHERE ${SECOND}`],
    ['moved within the document', `UPDATE coweave.updates SET position = 4 WHERE ${SECOND}`],
    [
      'replaced by the row of another document',
      `UPDATE coweave.updates SET (data, checksum) =
         (SELECT data, checksum FROM coweave.updates WHERE document = ${OTHER} AND position = 2) WHERE ${SECOND}`,
    ],
  ])('%s', async (name, sql) => {
    const { log, check } = await damaged(sql)
    const error = expect.objectContaining({
      code: 'storage/corrupt',
      message: expect.stringMatching(/plain.*position 2/),
    })
    await expect(log.load('plain')).rejects.toEqual(error)
    await expect(readAll(log, 'plain')).rejects.toEqual(error)
    if (name === 'gone') await expect(log.compact('plain')).rejects.toEqual(error)
    const found = await check()
    const problem = expect.stringMatching(/position 2|key "k"/)
    expect(found).toContainEqual(expect.objectContaining({ document: 'plain', position: 2, problem }))
    expect(found).toContainEqual(expect.objectContaining({ document: 'plain', position: 3 })) // not Yjs: it went on
    expect((await log.load('other')).position).toBe(2) // the others are served
  })

  test.each([
    ['the last row gone', `DELETE FROM coweave.updates WHERE document = ${PLAIN} AND position = 3`, 3],
    ['all rows gone', `DELETE FROM coweave.updates WHERE document = ${PLAIN}`, 1],
  ])('%s', async (_, sql, position) => {
    const { log, check } = await damaged(sql)
    await expect(log.load('plain')).rejects.toThrow(new RegExp(`plain.*position ${position}`))
    await expect(readAll(log, 'plain')).rejects.toThrow(new RegExp(`plain.*position ${position}`))
    const problem = expect.stringContaining('is missing')
    expect(await check()).toContainEqual({ document: 'plain', position, problem })
  })

  test('rows gone behind a snapshot do not stop loading, but check finds them', async () => {
    const { log, check } = await damaged(
      `DELETE FROM coweave.updates WHERE position = 1 AND document =
         (SELECT id FROM coweave.documents WHERE name = 'snapped')`,
    )
    const text = rebuild(await log.load('snapped')).getText('text')
    expect(text.toString()).toBe('one two three')
    await expect(readAll(log, 'snapped')).rejects.toThrow(/snapped.*position 1/)
    const found = await check()
    expect(found).toContainEqual(expect.objectContaining({ document: 'snapped', position: 1 }))
  })
})

test.each([
  ['changed', `UPDATE coweave.packs SET data = '\\x00' WHERE first = 31`, /positions 31 to 60, .* damaged$/],
  ['gone', `DELETE FROM coweave.packs WHERE first = 31`, /position 31 is missing$/],
])('a pack that is %s is an error that names the document and the position', async (_, sql, problem) => {
  const { log, check } = await damaged(sql)
  await expect(readAll(log, 'packed')).rejects.toMatchObject({ code: 'storage/corrupt', message: problem })
  expect(await readAll(log, 'packed', 0, 30)).toHaveLength(30)
  expect(await readAll(log, 'packed', 60)).toHaveLength(20)
  const found = (await check()).filter(({ document }) => document === 'packed')
  expect(found[0]).toEqual({ document: 'packed', position: 31, problem: expect.stringMatching(problem) })
})

test('what may be somebody’s in a damaged pack is not given away unseen', async () => {
  const { log } = await damaged(`UPDATE coweave.packs SET data = '\\x00' WHERE first = 31`)
  await expect(log.people.disown('zoe', 'erased-1')).rejects.toMatchObject({ code: 'storage/corrupt' })
  expect(await Array.fromAsync(log.people.traces('zoe'))).toEqual([])
})

describe('damage around the rows is found', () => {
  test.each([
    ['a part of the snapshot changed', `UPDATE coweave.snapshot_parts SET data = '\\x00'`, 'snapped'],
    ['a part of the snapshot gone', `DELETE FROM coweave.snapshot_parts`, 'snapped'],
    ["the snapshot's position changed", `UPDATE coweave.snapshots SET position = 1`, 'snapped'],
    ["the document's position", `UPDATE coweave.documents SET position = 2 WHERE name = 'plain'`, 'plain'],
    ["the document's name", `UPDATE coweave.documents SET name = 'plane' WHERE name = 'plain'`, 'plane'],
    ['a client of another user', `UPDATE coweave.clients SET owner = 'eve' WHERE client = 97`, 'plain'],
    ['a client gone', `DELETE FROM coweave.clients WHERE client = 97`, 'plain'],
  ])('%s', async (_, sql, document) => {
    const { log, check } = await damaged(sql)
    await expect(log.load(document)).rejects.toMatchObject({
      code: 'storage/corrupt',
      message: expect.stringContaining(document),
    })
    expect(await check()).toContainEqual(expect.objectContaining({ document }))
  })

  test('a damaged claim is an error where it is read, and fails no append', async () => {
    const { log } = await damaged(`UPDATE coweave.clients SET owner = 'eve' WHERE client = 98`)
    const error = { code: 'storage/corrupt', message: expect.stringMatching(/plain.*client 98/) }
    await expect(log.claims('plain')).rejects.toMatchObject(error)
    await expect(log.claims('plain', 1)).rejects.toMatchObject(error)
    expect(await log.claims('plain', 2)).toEqual([{ client: 99, user: 'ann', position: 3 }])
    expect(await log.append([update('plain', 'd', { clients: [98] }), update('other', 'e')])).toEqual([0, 3])
    expect(await log.append([update('plain', 'e')])).toEqual([4])
  })

  test('a damaged position is an error, not a number', async () => {
    const { log } = await damaged(`UPDATE coweave.documents SET position = 2 WHERE name = 'plain'`)
    await expect(log.positions(['other', 'plain'])).rejects.toMatchObject({ code: 'storage/corrupt' })
    expect(await log.positions(['other'])).toEqual([2])
  })

  test.each([
    ['a version', `UPDATE coweave.versions SET position = 2`, /snapped: .* version v/],
    ['what was seen', `UPDATE coweave.seen SET owner = 'eve'`, /snapped: .* what eve has seen/],
  ])('%s', async (_, sql, message) => {
    const { log, check } = await damaged(sql)
    const problem = expect.stringMatching(message)
    expect(await check()).toContainEqual({ document: 'snapped', position: undefined, problem })
    const [versions, seen] = await Promise.allSettled([log.versions.list('snapped'), log.seen.find('snapped', 'eve')])
    const rejected = { status: 'rejected', reason: { code: 'storage/corrupt' } }
    expect(sql.includes('versions') ? versions : seen).toMatchObject(rejected)
  })

  test('a row beyond the last one', async () => {
    const { check } = await damaged(
      `INSERT INTO coweave.updates SELECT document, 9, at, author, key, data, checksum
       FROM coweave.updates WHERE ${SECOND}`,
    )
    const problem = expect.stringMatching(/position 9, beyond the last one, 3/)
    expect(await check()).toContainEqual({ document: 'plain', position: undefined, problem })
  })

  test.each(WEBHOOK_DAMAGES)('of webhooks: $problem', async ({ sql, problem }) => {
    const { check } = await damaged(sql.replace(/(UPDATE |FROM )/, '$1coweave.'))
    const found = (await check()).filter(({ document }) => document === undefined)
    expect(found).toEqual([{ document: undefined, position: undefined, problem }])
  })

  test('a document whose row is gone', async () => {
    const { check } = await damaged(`DELETE FROM coweave.documents WHERE name = 'plain'`)
    const problem = expect.stringMatching(/rows in updates .* missing/)
    expect(await check()).toContainEqual(expect.objectContaining({ problem }))
  })

  test.each([
    ['changed', `UPDATE coweave.messages SET data = '{}' WHERE seq = 2`],
    ['moved', `UPDATE coweave.messages SET seq = 7 WHERE seq = 2`],
    ['of another room', `UPDATE coweave.messages SET room = 'chat/b' WHERE seq = 2`],
  ])('a message that is %s', async (_, sql) => {
    const { log, check } = await damaged(sql)
    const pages = async () => [
      ...(await log.messages.list('chat/a', { limit: 9 })),
      ...(await log.messages.list('chat/b', { limit: 9 })),
    ]
    await expect(pages()).rejects.toMatchObject({
      code: 'storage/corrupt',
      message: expect.stringMatching(/chat\/.*seq/),
    })
    await expect(log.messages.search('monday', { limit: 9 })).rejects.toMatchObject({ code: 'storage/corrupt' })
    expect((await log.messages.list('chat/a', { before: 2, limit: 9 })).map(({ seq }) => seq)).toEqual([1])
    const problem = expect.stringContaining('seq')
    expect(await check()).toContainEqual(expect.objectContaining({ problem }))
  })

  test('words that are not those of the text', async () => {
    const { check } = await damaged(`UPDATE coweave.messages SET words = 'tuesday' WHERE seq = 2`)
    const problem = expect.stringMatching(/chat\/a: the words of the message with seq 2/)
    expect(await check()).toContainEqual({ document: 'chat/a', position: undefined, problem })
  })

  test.each([
    ['an event that is changed', 'UPDATE coweave.events SET at = 2 WHERE number = 2', 'bad checksum of event 2'],
    ['a counter of events that went back', 'UPDATE coweave.event_counter SET last = 1', 'the counter of events'],
    ['a counter of events that is gone', 'DELETE FROM coweave.event_counter', 'the counter of events'],
  ])('%s', async (_, sql, text) => {
    const { log, check } = await damaged(sql)
    const problem = expect.stringContaining(text)
    expect(await check()).toContainEqual({ document: undefined, position: undefined, problem })
    const kinds = (await log.events.read({ after: 0, limit: 9 })).map(({ kind }) => kind)
    expect(kinds).toEqual(['k', text.includes('event 2') ? 'event.damaged' : 'k'])
  })
})

test('a page that Postgres itself finds damaged is named, and what is beside it is read', async () => {
  const url = await postgres.createDatabase(undefined, 'TEMPLATE template')
  const first = await openPostgresLog({ url })
  const typist = new Typist('big')
  await first.append(Array.from({ length: 60 }, (_, index) => typist.type(`${index}`.repeat(500))))
  await first.close()
  const [[path] = []] = await postgres.query(url, `SELECT pg_relation_filepath('coweave.updates')`)
  const rowsOfPage = `SELECT position::int FROM coweave.updates WHERE ctid >= '(2,0)' AND ctid < '(3,0)' ORDER BY position`
  const lost = (await postgres.query(url, rowsOfPage)).map(([position]) => position)
  expect(lost.length).toBeGreaterThan(2)
  await postgres.query(url, 'CHECKPOINT')
  await postgres.crash()
  const file = await openFile(join(postgres.data, String(path)), 'r+')
  await file.write(Buffer.alloc(24, 0xff), 0, 24, 2 * 8192)
  await file.close()
  await postgres.start()
  const { log } = await open(url)
  const error = { code: 'storage/corrupt', message: expect.stringMatching(/^big: reading: invalid page in block 2/) }
  await expect(log.load('big')).rejects.toMatchObject(error)
  const found = await Array.fromAsync(log.check())
  const positions = found.filter(({ document }) => document === 'big').map(({ position }) => position)
  expect(positions.filter((position) => position !== undefined)).toEqual(lost)
  expect((await log.load('other')).position).toBe(2)
})
