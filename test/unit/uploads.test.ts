import { randomUUID } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { CloseCode } from '../../model/close-codes.ts'
import { StorageError } from '../../persistence/storage-error.ts'
import { AccessError } from '../../server/access/access-error.ts'
import { SealedFiles } from '../../server/http/sealed-files.ts'
import { type UploadPart, Uploads } from '../../server/http/uploads.ts'
import { temporaryFolder } from '../support/server.ts'

let folder = ''
let uploads: Uploads
let taken: string[] = []
let failure: Error | undefined
const onProblem = vi.fn<(error: unknown) => void>()

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'Date'] })
  folder = join(temporaryFolder(), 'uploads')
  uploads = new Uploads({ files: await SealedFiles.open(folder), maxBytes: 100, onProblem })
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
