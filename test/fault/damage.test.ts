import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { isSoak } from '../support/random.ts'
import { RawClient } from '../support/raw-client.ts'
import { runCommand } from '../support/run-command.ts'
import { startServer, type TestServer, temporaryFolder } from '../support/server.ts'
import { Load } from './load.ts'

const good = 'notes/good'
const bad = 'notes/bad'
/** Stands once in the file: in the first row of `bad`. */
const needle = 'a needle in a haystack'

let original: string

beforeAll(async () => {
  original = temporaryFolder()
  const server = await startServer({ folder: original })
  await write(server, bad, needle)
  for (const name of [good, bad]) {
    for (let edit = 1; edit <= 300; edit++) await write(server, name, `edit ${edit} `.repeat(20))
  }
  expect(await server.stop()).toBe(0)
  expect(existsSync(join(original, 'coweave.db-wal'))).toBe(false)
  expect(statSync(join(original, 'coweave.db')).size).toBeGreaterThan(30 * 4096)
})

const writers = new Map<TestServer, Map<string, RawClient>>()

async function write(server: TestServer, name: string, text: string): Promise<void> {
  const clients = writers.get(server) ?? new Map<string, RawClient>()
  writers.set(server, clients)
  const client = clients.get(name) ?? (await RawClient.open(server, name))
  clients.set(name, client)
  client.ydoc.getText('text').insert(0, text)
  await client.saved()
}

/** A copy of the database, to be damaged. */
async function copy(): Promise<{ folder: string; file: string }> {
  const folder = temporaryFolder()
  await cp(original, folder, { recursive: true })
  return { folder, file: join(folder, 'coweave.db') }
}

function flipBytes(file: string, at: number, count: number): void {
  const bytes = readFileSync(file)
  for (let offset = at; offset < at + count; offset++) bytes[offset] = (bytes[offset] ?? 0) ^ 0xff
  writeFileSync(file, bytes)
}

async function startError(folder: string): Promise<string> {
  try {
    await startServer({ folder })
  } catch (error) {
    return String(error)
  }
  throw new Error('the server started')
}

describe('a damaged database is never taken for an empty one', () => {
  const damages: Record<string, { damage(file: string): void; code: string }> = {
    'a garbage file': { damage: (file) => writeFileSync(file, randomBytes(100_000)), code: 'storage/corrupt' },
    'a text file': { damage: (file) => writeFileSync(file, 'not a database\n'.repeat(1000)), code: 'storage/corrupt' },
    'a damaged header': { damage: (file) => flipBytes(file, 0, 100), code: 'storage/corrupt' },
    'a file cut in the middle': {
      damage: (file) => truncateSync(file, Math.floor(statSync(file).size / 8192) * 4096),
      code: 'storage/corrupt',
    },
    'a file cut within a page': { damage: (file) => truncateSync(file, 4096 * 3 + 17), code: 'storage/corrupt' },
    'an emptied file': { damage: (file) => truncateSync(file, 0), code: 'storage/missing' },
    'a deleted file': { damage: (file) => rmSync(file), code: 'storage/missing' },
    "another server's file": { damage: copyOfAnother, code: 'storage/missing' },
  }

  function copyOfAnother(file: string): void {
    const marker = `${file}.marker`
    writeFileSync(marker, readFileSync(marker, 'utf8').replace(/"[0-9a-f]{8}-/, '"01234567-'))
  }

  test.each(Object.entries(damages))('%s: the server refuses to start and names it', async (_, { damage, code }) => {
    const { folder, file } = await copy()
    damage(file)
    const before = existsSync(file) ? readFileSync(file) : undefined
    const error = await startError(folder)
    expect(error).toContain(code)
    expect(error).toContain(file)
    const check = await runCommand(folder, 'check')
    expect(check.exitCode).toBe(1)
    expect(check.output + check.errors).toContain(file)
    // Nothing was made in its place, and what is left can still be examined.
    expect(existsSync(file) ? readFileSync(file) : undefined).toEqual(before)
  })
})

describe('a damaged page', () => {
  async function damagedPage() {
    const { folder, file } = await copy()
    const at = readFileSync(file).indexOf(needle)
    expect(at).toBeGreaterThan(0)
    flipBytes(file, at, needle.length)
    return { folder, file }
  }

  test('keeps its document from being opened, and no other', async () => {
    const { folder } = await damagedPage()
    const server = await startServer({ folder })
    await expect(RawClient.open(server, bad)).rejects.toThrow('denied: storage/corrupt')
    const client = await RawClient.open(server, good)
    expect(client.ydoc.getText('text').toString()).toContain('edit 300 ')
    client.ydoc.getText('text').insert(0, 'still writable')
    await client.saved()
    await expect(RawClient.open(server, bad)).rejects.toThrow('denied: storage/corrupt')
    expect(server.output()).toContain(`${bad}: bad checksum at position 1`)
    expect((await fetch(`${server.url}/health/ready`)).status).toBe(200)
    await server.stop()
  })

  test('is found by check', async () => {
    const { folder } = await damagedPage()
    const { exitCode, output, errors } = await runCommand(folder, 'check')
    expect(exitCode).toBe(1)
    expect(output).toContain(`${bad} at 1: `)
    expect(output).not.toContain(good)
    expect(errors).toContain('storage/corrupt')
  })

  test('wherever it is, hides nothing', { timeout: isSoak ? 1_200_000 : 120_000 }, async () => {
    const pages = statSync(join(original, 'coweave.db')).size / 4096
    const expected = await contents(original)
    let opened = 0
    for (let page = 1; page < pages; page += Math.max(1, Math.floor(pages / (isSoak ? 200 : 3)))) {
      const { folder, file } = await copy()
      flipBytes(file, page * 4096, 4096)
      // It may be found at the start, or when a document is opened; a free page changes nothing.
      const found = await contents(folder)
      for (const [index, text] of found.entries()) {
        if (text === undefined) continue
        opened += 1
        expect(text).toBe(expected[index])
      }
      if (found.includes(undefined)) expect((await runCommand(folder, 'check')).exitCode).toBe(1)
    }
    expect(opened).toBeGreaterThan(0)
  })

  /** Both documents' text; undefined for what is refused. */
  async function contents(folder: string): Promise<(string | undefined)[]> {
    let server: TestServer
    try {
      server = await startServer({ folder })
    } catch (error) {
      expect(String(error)).toContain('storage/corrupt')
      return [undefined, undefined]
    }
    const texts = await Promise.all(
      [good, bad].map(async (name) => {
        try {
          return (await RawClient.open(server, name)).ydoc.getText('text').toString()
        } catch (error) {
          expect(String(error)).toContain('denied: storage/corrupt')
          return undefined
        }
      }),
    )
    await server.stop()
    return texts
  }
})

describe('a damaged write-ahead log', () => {
  /** A database whose newest updates are in the write-ahead log only, as after kill -9. */
  async function killed() {
    const { folder, file } = await copy()
    const server = await startServer({ folder })
    for (let edit = 1; edit <= 50; edit++) await write(server, good, `after the copy ${edit}`)
    await server.kill()
    const wal = `${file}-wal`
    expect(statSync(wal).size).toBeGreaterThan(50 * 4096)
    return { folder, wal, expected: 'after the copy 50' }
  }

  test('undamaged, it is read', async () => {
    const { folder, expected } = await killed()
    const server = await startServer({ folder })
    expect((await RawClient.open(server, good)).ydoc.getText('text').toString()).toContain(expected)
    await server.stop()
  })

  test('flipped bytes before its end are an error, not the end', async () => {
    const { folder, wal } = await killed()
    flipBytes(wal, Math.floor(statSync(wal).size / 2), 16)
    const error = await startError(folder)
    expect(error).toContain('storage/corrupt')
    expect(error).toContain(wal)
  })

  test('a torn last transaction, which nobody was told about, is its end', async () => {
    const { folder, wal } = await killed()
    truncateSync(wal, statSync(wal).size - 100)
    const server = await startServer({ folder })
    expect((await RawClient.open(server, good)).ydoc.getText('text').toString()).toContain('after the copy 49')
    await server.stop()
  })
})

describe('commands', () => {
  test('a backup made under load restores everything that was acknowledged before', { timeout: 120_000 }, async () => {
    const { folder } = await copy()
    const server = await startServer({ folder })
    const options = { writersPerDocument: 2, window: 8, firstClientId: 1000 }
    const before = await Load.start(server, { ...options, documents: ['load/one', 'load/two'], label: 'before' })
    await before.whenAcknowledged(1000)
    for (const client of before.clients) await client.close()
    const during = await Load.start(server, { ...options, documents: ['load/three'], label: 'during' })
    await during.whenAcknowledged(100)

    const target = temporaryFolder()
    const { exitCode, errors } = await runCommand(folder, 'backup', join(target, 'coweave.db'))
    expect({ exitCode, errors }).toEqual({ exitCode: 0, errors: '' })
    await during.whenAcknowledged(during.acknowledged + 100)
    await server.kill()

    expect((await runCommand(target, 'check')).exitCode).toBe(0)
    const restored = await startServer({ folder: target })
    expect((await before.lossesOn(restored)).counts).toEqual({ acknowledged: 0, seen: 0 })
    expect((await RawClient.open(restored, good)).ydoc.getText('text').toString()).toContain('edit 300 ')
    await restored.stop()
  })

  test('check finds nothing in a good database, also while a server runs on it', async () => {
    const { folder } = await copy()
    const server = await startServer({ folder })
    const { exitCode, output } = await runCommand(folder, 'check')
    expect({ exitCode, output }).toEqual({ exitCode: 0, output: 'no damage found\n' })
    await server.stop()
  })

  test('inspect describes a document, without its text', async () => {
    const { folder } = await copy()
    const { exitCode, output } = await runCommand(folder, 'inspect', bad)
    expect(exitCode).toBe(0)
    expect(JSON.parse(output)).toMatchObject({
      name: bad,
      position: 301,
      rows: 301,
      authors: { ann: 301 },
      pending: false,
    })
    expect(output).not.toContain('needle')
  })
})
