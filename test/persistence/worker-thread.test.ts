import { expect, onTestFinished, test } from 'vitest'
import type { WorkerSettings } from '../../persistence/sqlite/protocol.ts'
import { startThread } from '../../persistence/sqlite/sqlite-thread.ts'

const settings: WorkerSettings = { role: 'writer', file: 'log.db', keys: undefined, databaseId: undefined }
const entry = new URL('./children/crashing-worker.ts', import.meta.url)

test('[promise 1] when a thread dies nobody waits for ever, and the next call finds a new one', async () => {
  const problems: Error[] = []
  const thread = startThread(settings, (problem) => problems.push(problem), entry)
  onTestFinished(() => thread.close())
  expect(await thread.call({ kind: 'open' })).toEqual(new Uint8Array([7]))
  const waiting = [
    thread.call({ kind: 'load', document: 'a' }),
    thread.call({ kind: 'append', batch: new Uint8Array(1) }),
    thread.call({ kind: 'load', document: 'b' }),
  ]
  for (const result of await Promise.allSettled(waiting)) {
    expect(result).toMatchObject({ status: 'rejected', reason: { code: 'storage/unavailable' } })
  }
  expect(problems).toMatchObject([{ message: 'log.db: the writer thread ended unexpectedly: out of luck' }])
  expect(await thread.call({ kind: 'open' })).toEqual(new Uint8Array([7]))
})

test('a thread that dies is no obstacle to closing', async () => {
  const thread = startThread(settings, () => {}, entry)
  const append = thread.call({ kind: 'append', batch: new Uint8Array(1) })
  const closed = thread.close()
  await expect(append).rejects.toMatchObject({ code: 'storage/unavailable' })
  await closed
  await thread.close()
})
