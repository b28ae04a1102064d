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

async function openIndexer(busyShare: number) {
  const log = await openSqliteLog({ file: join(await makeFolder(), 'coweave.db') })
  const threads = searchThreads(() => {})
  const failed: unknown[] = []
  const indexer = new TextIndexer({
    log,
    threads,
    busyShare: () => busyShare,
    onProblem: (error) => failed.push(error),
  })
  onTestFinished(async () => {
    await indexer.stop()
    await threads.close()
    await log.close()
  })
  return { log, indexer, failed }
}

/** Has texts made on a server that is so busy. Resolves with how long nothing was done between two of them, ms each. */
async function restsOf(busyShare: number): Promise<number[]> {
  const { log, indexer, failed } = await openIndexer(busyShare)
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

test('the text of a document that is edited on and on rests longer each time', async () => {
  const { log, indexer, failed } = await openIndexer(0)
  const rests: number[] = []
  const { put } = log.texts
  vi.spyOn(log.texts, 'put').mockImplementation(async (text) => {
    rests.push(text.restMs)
    // Nobody has to wait for it here.
    await put.call(log.texts, { ...text, restMs: 0 })
  })
  for (let edit = 1; edit <= 5; edit += 1) {
    const batch = [update('a', '', { data: NOTHING })]
    indexer.committed(batch, await log.append(batch))
    await expect.poll(() => rests.length).toBe(edit)
  }
  const other = [update('b', '', { data: NOTHING })]
  indexer.committed(other, await log.append(other))
  await expect.poll(() => rests).toEqual([700, 1_400, 2_800, 5_000, 5_000, 700])
  expect(failed).toEqual([])
})
