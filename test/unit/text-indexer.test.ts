import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import { searchThreads } from '../../server/search/search-threads.ts'
import { TextIndexer } from '../../server/search/text-indexer.ts'
import { makeFolder } from '../persistence/folder.ts'
import { update } from '../persistence/updates.ts'

/** Storing a text takes as long. */
const PUT_MS = 60
const DOCUMENTS = ['a', 'b', 'c']
/** An update that adds nothing. */
const NOTHING = Uint8Array.of(0, 0)
/** A timer may be early by the fraction of a millisecond that its clock doesn't show. */
const EARLY_MS = 2

/** Two instances on one log. */
async function openIndexers(busyShare: number) {
  const log = await openSqliteLog({ file: join(await makeFolder(), 'coweave.db') })
  const threads = searchThreads(() => {})
  const failed: unknown[] = []
  const open = () =>
    new TextIndexer({ log, threads, busyShare: () => busyShare, onProblem: (error) => failed.push(error) })
  const [indexer, other] = [open(), open()]
  onTestFinished(async () => {
    await Promise.all([indexer.stop(), other.stop()])
    await threads.close()
    await log.close()
  })
  return { log, indexer, other, failed }
}

/** Has texts made on a server that is so busy. Resolves with how long nothing was done between two of them, ms each. */
async function restsOf(busyShare: number): Promise<number[]> {
  const { log, indexer, failed } = await openIndexers(busyShare)
  const [claimedAt, storedAt]: number[][] = [[], []]
  const { claim, put } = log.texts
  vi.spyOn(log.texts, 'claim').mockImplementation((...given) => {
    claimedAt?.push(performance.now())
    return claim.apply(log.texts, given)
  })
  vi.spyOn(log.texts, 'put').mockImplementation(async (...given) => {
    await delay(PUT_MS)
    await put.apply(log.texts, given)
    storedAt?.push(performance.now())
  })
  const batch = DOCUMENTS.map((document) => update(document, '', { data: NOTHING }))
  indexer.committed(batch, await log.append(batch))
  await expect.poll(() => storedAt?.length).toBe(DOCUMENTS.length)
  expect(failed).toEqual([])
  return DOCUMENTS.slice(1).map((_, index) => (claimedAt?.[index + 1] ?? 0) - (storedAt?.[index] ?? 0))
}

test('a server with little to do rests as long as it made texts, and a busy one nine times as long', async () => {
  const shortest = Math.min(...(await restsOf(0.2)))
  expect(shortest).toBeGreaterThanOrEqual(PUT_MS - EARLY_MS)
  expect(shortest).toBeLessThan(9 * PUT_MS)
  expect(Math.min(...(await restsOf(0.8)))).toBeGreaterThanOrEqual(9 * PUT_MS - EARLY_MS)
})

test('the text of a document that is edited on and on rests longer, whichever instance makes it', async () => {
  const { log, indexer, other, failed } = await openIndexers(0)
  const rests: number[] = []
  const { put } = log.texts
  vi.spyOn(log.texts, 'put').mockImplementation(async (text) => {
    rests.push(text.restMs)
    // Nobody has to wait for it here.
    await put.call(log.texts, { ...text, restMs: 0 })
  })
  const edits = [
    { at: indexer, document: 'a' },
    { at: indexer, document: 'a' },
    { at: other, document: 'a' },
    { at: other, document: 'b' },
  ]
  for (const [index, { at, document }] of edits.entries()) {
    const batch = [update(document, '', { data: NOTHING })]
    at.committed(batch, await log.append(batch))
    await expect.poll(() => rests.length).toBe(index + 1)
  }
  expect(rests).toEqual([700, 5_000, 5_000, 700])
  expect(failed).toEqual([])
})
