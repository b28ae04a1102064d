import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { CloseCode } from '../../model/close-codes.ts'
import { StorageError } from '../../persistence/storage-error.ts'
import { AccessError } from '../../server/access/access-error.ts'
import { LeftFolders } from '../../server/http/left-folders.ts'
import { SealedFiles } from '../../server/http/sealed-files.ts'
import { type UploadPart, Uploads } from '../../server/http/uploads.ts'
import { uploadFolder } from '../../server/places.ts'
import { temporaryFolder } from '../support/server.ts'

let parent = ''
let folder = ''
let left: LeftFolders
let uploads: Uploads
let taken: string[] = []
let failure: Error | undefined
const onProblem = vi.fn<(error: unknown) => void>()

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'Date'] })
  parent = temporaryFolder()
  folder = join(parent, 'uploads')
  left = new LeftFolders({ parent, prefix: 'pid-' })
  uploads = new Uploads({ files: await SealedFiles.open(folder), left, maxBytes: 100, onProblem })
  taken = []
  failure = undefined
})

afterEach(async () => {
  await uploads.close()
  vi.useRealTimers()
  expect(onProblem).not.toHaveBeenCalled()
})

async function take(update: Uint8Array): Promise<void> {
  if (failure !== undefined) throw failure
  taken.push(Buffer.from(update).toString())
}

async function* bytes(text: string) {
  yield Buffer.from(text)
}

const id = randomUUID()
const send = (text: string, part: number, of: number, options: Partial<UploadPart> = {}) =>
  uploads.receive({ user: 'ann', document: 'notes', upload: id, part, of, ...options }, bytes(text), take)

function waiting(): number {
  try {
    return readdirSync(folder).length
  } catch {
    return 0
  }
}

test('folders of processes that are gone are removed, and none that may be in use', async () => {
  const gone = await idOfNobody()
  const minutes = {
    [`pid-${gone}-1`]: 11,
    [`pid-${gone}-just-begun`]: 9,
    [`pid-${process.pid}-2`]: 23 * 60,
    [`pid-${process.pid}-reused`]: 25 * 60,
    'pid-other': 25 * 60,
    '1234': 25 * 60,
  }
  for (const [name, silent] of Object.entries(minutes)) {
    mkdirSync(join(parent, name))
    writeFileSync(join(parent, name, 'part'), 'x')
    const at = Date.now() / 1000 - silent * 60
    utimesSync(join(parent, name), at, at)
  }
  // Two at once, as of processes that start together.
  await Promise.all([left.remove(), left.remove()])
  const kept = [`pid-${gone}-just-begun`, `pid-${process.pid}-2`, 'pid-other', '1234']
  expect(readdirSync(parent).toSorted()).toEqual(kept.toSorted())
})

test('a process that goes on touches its folder, and removes what others leave', async () => {
  await send('one', 1, 2)
  const crashed = join(parent, `pid-${await idOfNobody()}-1`)
  mkdirSync(crashed)
  for (const path of [folder, crashed]) utimesSync(path, 0, 0)
  vi.advanceTimersByTime(60_000)
  await vi.waitFor(() => expect(readdirSync(parent)).toEqual(['uploads']))
  await vi.waitFor(() => expect(statSync(folder).mtimeMs).toBeGreaterThan(0))
})

test('no two servers ever have a folder of the same name, where it is named by the process', () => {
  const config = { DATABASE_URL: 'sqlite:data/log.db', PORT: 0 }
  const [one, other] = [uploadFolder(config, true), uploadFolder(config, true)]
  expect(one.folder).not.toBe(other.folder)
  for (const { folder, left } of [one, uploadFolder({ ...config, DATABASE_URL: 'postgres://db/coweave' }, true)])
    expect(folder.startsWith(join(left.parent, `${left.prefix}${process.pid}-`))).toBe(true)
  expect(uploadFolder({ ...config, PORT: 1234 }, false)).toEqual({
    folder: join('data/log.db.uploads', '1234'),
    left: { parent: 'data/log.db.uploads', prefix: 'pid-' },
  })
})

/** Of a process that was there, and has just ended. */
async function idOfNobody(): Promise<number> {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' })
  await once(child, 'exit')
  return child.pid ?? expect.unreachable()
}

test('the last part, sent twice at once, hands the update over once', async () => {
  await send('one ', 1, 2)
  expect(await Promise.all([send('two', 2, 2), send('two', 2, 2)])).toEqual([[], []])
  expect(taken).toEqual(['one two'])
  expect(waiting()).toBe(0)
})

test('a refused update is forgotten, one that could not be stored waits for its last part to come again', async () => {
  await send('one ', 1, 2)
  failure = new StorageError('storage/unavailable', 'later')
  await expect(send('two', 2, 2)).rejects.toThrow('later')
  expect(waiting()).toBe(2)
  failure = undefined
  expect(await send('two', 2, 2)).toEqual([])
  expect(taken).toEqual(['one two'])

  const other = { upload: randomUUID() }
  await send('one ', 1, 2, other)
  failure = new AccessError('document/malformed-update', CloseCode.Malformed, 'no update')
  await expect(send('two', 2, 2, other)).rejects.toThrow('no update')
  await vi.waitFor(() => expect(waiting()).toBe(0))
  expect(await send('two', 2, 2, other)).toEqual([1])
})

test('what waits longer than an hour for its next part is removed, and its room is free again', async () => {
  await send('x'.repeat(60), 1, 2)
  await vi.advanceTimersByTimeAsync(40 * 60_000)
  await expect(send('y'.repeat(60), 1, 2, { upload: randomUUID() })).rejects.toThrow('100 bytes')
  await vi.advanceTimersByTimeAsync(30 * 60_000)
  await vi.waitFor(() => expect(waiting()).toBe(0))
  expect(await send('y'.repeat(60), 1, 2, { upload: randomUUID() })).toEqual([2])
  expect(await send('x', 2, 2)).toEqual([1])
})

test('a user has 64 uploads at once; those that were taken make room', async () => {
  for (let index = 0; index < 63; index += 1) await send('x', 1, 2, { upload: randomUUID() })
  await send('taken', 1, 1)
  const next = randomUUID()
  await send('x', 1, 2, { upload: next })
  await expect(send('x', 1, 2, { upload: randomUUID() })).rejects.toThrow('more than 64')
  expect(await send('x', 1, 2, { upload: next })).toEqual([2])
  expect(await send('x', 1, 2, { user: 'bob' })).toEqual([2])
})
