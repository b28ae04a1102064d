import { copyFile, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import fc from 'fast-check'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { openOpener } from '../../persistence/sqlite/opener.ts'
import type { Role, WorkerSettings } from '../../persistence/sqlite/protocol.ts'
import { openReader } from '../../persistence/sqlite/reader.ts'
import { unpackLoadReply, unpackReadReply } from '../../persistence/sqlite/replies.ts'
import { toStorageError } from '../../persistence/sqlite/sqlite-errors.ts'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import { StorageError } from '../../persistence/storage-error.ts'
import type { LogRow, StoredDocument } from '../../persistence/update-log.ts'
import { makeFolder } from './folder.ts'
import { readAll, rebuild, seed, Typist, update } from './updates.ts'

let template: Buffer

/** A log with a few documents in it, closed. */
async function makeLog(): Promise<string> {
  const file = join(await makeFolder(), 'log.db')
  await writeFile(file, template)
  return file
}

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'coweave-log-'))
  const file = join(folder, 'log.db')
  const log = await openSqliteLog({ file })
  const typist = new Typist('snapped')
  await log.append(['a', 'b', 'c'].map((text) => update('plain', text, { clients: [text.charCodeAt(0)] })))
  await log.append(['x', 'y'].map((text) => update('other', text)))
  await log.append([typist.type('one '), typist.type('two ')])
  await log.compact('snapped')
  await log.append([typist.type('three')])
  await log.close()
  template = await readFile(file)
  await rm(folder, { recursive: true })
})

function tamper(file: string, sql: string): void {
  const db = new Database(file)
  expect(db.prepare(sql).run().changes).toBeGreaterThan(0)
  db.close()
}

async function open(file: string) {
  const log = await openSqliteLog({ file })
  onTestFinished(() => log.close())
  return log
}

const PLAIN = `(SELECT id FROM documents WHERE name = 'plain')`
const OTHER = `(SELECT id FROM documents WHERE name = 'other')`

describe('a damaged row is an error that names the document and the position', () => {
  test.each([
    ['changed bytes', `UPDATE updates SET data = x'00' WHERE document = ${PLAIN} AND position = 2`],
    ['another author', `UPDATE updates SET author = 'eve' WHERE document = ${PLAIN} AND position = 2`],
    ['another time', `UPDATE updates SET at = at + 1 WHERE document = ${PLAIN} AND position = 2`],
    ['another type', `UPDATE updates SET data = 'b' WHERE document = ${PLAIN} AND position = 2`],
    ['a key of its own', `UPDATE updates SET key = 'k' WHERE document = ${PLAIN} AND position = 2`],
    ['gone', `DELETE FROM updates WHERE document = ${PLAIN} AND position = 2`],
    ['moved within the document', `UPDATE updates SET position = 4 WHERE document = ${PLAIN} AND position = 2`],
    [
      'replaced by the row of another document',
      `UPDATE updates SET (data, checksum) =
         (SELECT data, checksum FROM updates WHERE document = ${OTHER} AND position = 2)
       WHERE document = ${PLAIN} AND position = 2`,
    ],
  ])('%s', async (_, sql) => {
    const file = await makeLog()
    tamper(file, sql)
    const log = await open(file)
    const damaged = expect.objectContaining({
      code: 'storage/corrupt',
      message: expect.stringMatching(/plain.*position 2/),
    })
    await expect(log.load('plain')).rejects.toEqual(damaged)
    await expect(readAll(log, 'plain')).rejects.toEqual(damaged)
    await expect(log.compact('plain')).rejects.toEqual(damaged)
    expect(await Array.fromAsync(log.check())).toContainEqual(
      expect.objectContaining({ document: 'plain', position: 2, problem: expect.stringContaining('position 2') }),
    )
    expect((await log.load('other')).position).toBe(2) // the others are served
  })

  test('the last row gone', async () => {
    const file = await makeLog()
    tamper(file, `DELETE FROM updates WHERE document = ${PLAIN} AND position = 3`)
    await expect((await open(file)).load('plain')).rejects.toThrow(/plain.*position 3/)
  })

  test('all rows gone', async () => {
    const file = await makeLog()
    tamper(file, `DELETE FROM updates WHERE document = ${PLAIN}`)
    await expect((await open(file)).load('plain')).rejects.toThrow(/plain.*position 1/)
  })

  test('rows gone behind a snapshot do not stop loading, but check finds them', async () => {
    const file = await makeLog()
    tamper(
      file,
      `DELETE FROM updates WHERE document = (SELECT id FROM documents WHERE name = 'snapped') AND position = 1`,
    )
    const log = await open(file)
    expect(
      rebuild(await log.load('snapped'))
        .getText('text')
        .toString(),
    ).toBe('one two three')
    await expect(readAll(log, 'snapped')).rejects.toThrow(/snapped.*position 1/)
    expect(await Array.fromAsync(log.check())).toContainEqual(
      expect.objectContaining({ document: 'snapped', position: 1 }),
    )
  })
})

describe('damage around the rows is found', () => {
  test.each([
    ['a part of the snapshot changed', `UPDATE snapshot_parts SET data = x'00'`, 'snapped'],
    ['a part of the snapshot gone', `DELETE FROM snapshot_parts`, 'snapped'],
    ["the snapshot's position changed", `UPDATE snapshots SET position = 1`, 'snapped'],
    ["the document's position changed", `UPDATE documents SET position = 2 WHERE name = 'plain'`, 'plain'],
    ['a client of another user', `UPDATE clients SET user = 'eve' WHERE client = 97`, 'plain'],
    ['a client gone', `DELETE FROM clients WHERE client = 97`, 'plain'],
  ])('%s', async (_, sql, document) => {
    const file = await makeLog()
    tamper(file, sql)
    const log = await open(file)
    await expect(log.load(document)).rejects.toMatchObject({
      code: 'storage/corrupt',
      message: expect.stringContaining(document),
    })
    expect(await Array.fromAsync(log.check())).toContainEqual(expect.objectContaining({ document }))
  })

  test('a damaged claim is an error where it is read, and fails no append', async () => {
    const file = await makeLog()
    tamper(file, `UPDATE clients SET user = 'eve' WHERE client = 98`)
    const log = await open(file)
    const damaged = { code: 'storage/corrupt', message: expect.stringMatching(/plain.*client 98/) }
    await expect(log.claims('plain')).rejects.toMatchObject(damaged)
    await expect(log.claims('plain', 1)).rejects.toMatchObject(damaged)
    expect(await log.claims('plain', 2)).toEqual([{ client: 99, user: 'ann', position: 3 }])
    expect(await log.append([update('plain', 'd', { clients: [98] }), update('other', 'e')])).toEqual([0, 3])
    expect(await log.append([update('plain', 'e')])).toEqual([4])
  })

  test('a damaged position is an error, not a number', async () => {
    const file = await makeLog()
    tamper(file, `UPDATE documents SET position = 2 WHERE name = 'plain'`)
    const log = await open(file)
    await expect(log.positions(['other', 'plain'])).rejects.toMatchObject({ code: 'storage/corrupt' })
    expect(await log.positions(['other'])).toEqual([2])
  })

  test('a document whose row is gone is found by check', async () => {
    const file = await makeLog()
    tamper(file, `DELETE FROM documents WHERE name = 'plain'`)
    expect(await Array.fromAsync((await open(file)).check())).toContainEqual(
      expect.objectContaining({ problem: expect.stringMatching(/rows in updates .* missing/) }),
    )
  })

  test('updates that are not Yjs are found by check, each one', async () => {
    const damages = await Array.fromAsync((await open(await makeLog())).check())
    expect(damages.map(({ document, position }) => `${document} ${position}`)).toEqual([
      'plain 1',
      'plain 2',
      'plain 3',
      'other 1',
      'other 2',
    ])
  })

  test('garbage in place of the database is an error, and stays', async () => {
    const file = join(await makeFolder(), 'log.db')
    await writeFile(file, 'not a database, but long enough to look like one. '.repeat(100))
    await expect(openSqliteLog({ file })).rejects.toMatchObject({ code: 'storage/corrupt' })
    expect(await readFile(file, 'utf8')).toMatch(/^not a database/)
  })
})

describe('damaged files never give anything but the truth or an error', () => {
  const names = ['plain', 'other', 'snapped']

  /** In this thread, since hundreds of damaged copies are opened. */
  function withRole<T>(role: Role, use: (handle: Role['handle']) => T): T {
    try {
      return use((request) => role.handle(request))
    } finally {
      role.close()
    }
  }

  type Content = Map<string, { stored: Omit<StoredDocument, 'parts' | 'snapshot'>; text: string; rows: LogRow[] }>

  /** All that is in the log, or the StorageErrors instead. */
  function contentOf(file: string, databaseId?: string): Content | StorageError {
    const settings = { file, keys: undefined, databaseId } satisfies Partial<WorkerSettings>
    try {
      withRole(openOpener({ ...settings, role: 'opener' }), (handle) => handle({ kind: 'create' }))
      return withRole(openReader({ ...settings, role: 'reader' }), (handle) => {
        const content: Content = new Map()
        for (const document of names) {
          const { stored } = unpackLoadReply(sync(handle({ kind: 'load', document })))
          const { rows } = unpackReadReply(sync(handle({ kind: 'read', document, after: 0, until: 99 })))
          // A snapshot that can't be found is made up for by the rows.
          const text = document === 'snapped' ? rebuild(stored).getText('text').toString() : String(stored.parts)
          const { position, epoch, clients, retired } = stored
          content.set(document, { stored: { position, epoch, clients, retired }, text, rows })
        }
        return content
      })
    } catch (error) {
      // As the worker answers it; anything else is a mistake of ours.
      if (error instanceof StorageError || error instanceof Database.SqliteError) return toStorageError(error, file)
      throw error
    }
  }

  function sync<T>(value: T | Promise<T>): T {
    if (value instanceof Promise) throw new Error('the reader answers at once')
    return value
  }

  async function makePair() {
    const file = await makeLog()
    const expected = contentOf(file)
    expect(expected).toBeInstanceOf(Map)
    const db = new Database(file)
    const databaseId = String(db.prepare(`SELECT value FROM meta WHERE key = 'database'`).pluck().get())
    db.close()
    return { file, expected, databaseId, bytes: await readFile(file), copy: `${file}.copy` }
  }

  test('a flipped byte anywhere', async () => {
    const { expected, databaseId, bytes, copy } = await makePair()
    let errors = 0
    // Half of the flips hit bytes that are in use, or pages would be tested by their empty space.
    const used = [...bytes.keys()].filter((index) => bytes[index] !== 0)
    const offset = fc.oneof(fc.constantFrom(...used), fc.nat({ max: bytes.length - 1 }))
    await fc.assert(
      fc.asyncProperty(offset, fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const damaged = Buffer.from(bytes)
        damaged[at] = (damaged[at] ?? 0) ^ flip
        await writeFile(copy, damaged)
        const content = contentOf(copy, databaseId)
        if (content instanceof StorageError) errors++
        else expect(content).toEqual(expected)
      }),
      { seed, numRuns: process.env.SOAK ? 20_000 : 300 },
    )
    expect(errors).toBeGreaterThan(20)
  })

  test('a file that ends too early', async () => {
    const { file, expected, databaseId, bytes, copy } = await makePair()
    let errors = 0
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: bytes.length - 1 }), async (length) => {
        await copyFile(file, copy)
        await truncate(copy, length)
        const content = contentOf(copy, databaseId)
        if (content instanceof StorageError) errors++
        // Only what no document needs was behind the end.
        else expect(content).toEqual(expected)
      }),
      { seed, numRuns: 60 },
    )
    expect(errors).toBeGreaterThan(30)
  })
})
