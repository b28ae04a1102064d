import { describe, expect, test } from 'vitest'
import { CloseCode } from '../../model/close-codes.ts'
import { createRandom, isSoak, type Random, seedsFor } from '../support/random.ts'
import { RawClient } from '../support/raw-client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { Load, type Losses } from './load.ts'
import { preloading } from './preload/preload.ts'

const ROUNDS = isSoak ? 300 : 6
const nothing = { acknowledged: 0, seen: 0 }

function startLoad(server: TestServer, random: Random, round: number): Promise<Load> {
  return Load.start(server, {
    // One that grows through all rounds, and new ones.
    documents: ['notes/kept', `round/${round}/one`, `round/${round}/two`, `round/${round}/three`],
    writersPerDocument: 3,
    window: 8 + random.int(24),
    label: `round-${round}`,
    firstClientId: 1000 * (round + 1),
  })
}

test.each(seedsFor([], 1))(
  '[promise 1] kill -9 loses nothing that was acknowledged or seen (rerun with SEED=%i)',
  { timeout: isSoak ? 3_600_000 : 240_000 },
  async (seed) => {
    const random = createRandom(seed)
    const loads: Load[] = []
    let server = await startServer()
    for (let round = 0; round < ROUNDS; round++) {
      const load = await startLoad(server, random, round)
      loads.push(load)
      await load.whenAcknowledged(100 + random.int(1_500))
      await server.kill()
      await load.ended()
      // Whoever opens the log first recovers it: a reader of the log, or the next server.
      if (random.chance(0.3)) expect((await load.lossesInLog(server.folder)).counts).toEqual(nothing)
      server = await server.restart()
      expect((await load.lossesOn(server)).counts).toEqual(nothing)
    }
    expect(await server.stop()).toBe(0)

    let acknowledged = 0
    let seen = 0
    for (const load of loads) {
      expect((await load.lossesInLog(server.folder)).counts).toEqual(nothing)
      acknowledged += load.acknowledged
      seen += load.seen
    }
    console.log(`${ROUNDS} kills, ${acknowledged} updates acknowledged, ${seen} seen by others, none lost`)
    expect(acknowledged).toBeGreaterThan(ROUNDS * 500)
    expect(seen).toBeGreaterThan(ROUNDS * 500)
  },
)

test.each(seedsFor([], 1))(
  '[promise 1] SIGTERM commits what was taken, closes clients with 1001 and exits in time (rerun with SEED=%i)',
  { timeout: 240_000 },
  async (seed) => {
    const random = createRandom(seed)
    let server = await startServer()
    for (let round = 0; round < (isSoak ? 50 : 2); round++) {
      const load = await startLoad(server, random, round)
      await load.whenAcknowledged(200 + random.int(2_000))
      const askedAt = Date.now()
      expect(await server.stop()).toBe(0)
      expect(Date.now() - askedAt).toBeLessThan(10_000)
      expect(new Set(await load.ended())).toEqual(new Set([CloseCode.GoingAway]))
      expect((await load.lossesInLog(server.folder)).counts).toEqual(nothing)
      server = await server.restart()
      expect((await load.lossesOn(server)).counts).toEqual(nothing)
    }
    await server.stop()
  },
)

test('a second signal ends the server at once, whatever it waits for', async () => {
  const environment = preloading(['slow-commits'], {
    SLOW_COMMIT_MS: '600000',
    COMMIT_TIMEOUT: '600000',
    SHUTDOWN_TIMEOUT: '600000',
  })
  const server = await startServer({ environment })
  const client = await RawClient.open(server, 'notes/one')
  client.ydoc.getText('text').insert(0, 'never committed')
  await expect.poll(() => server.output()).toContain('a slow commit begins')
  const stopped = server.stop()
  await expect.poll(() => server.output()).toContain('"msg":"stopping"')
  process.kill(server.pid, 'SIGTERM')
  expect(await stopped).toBe(1)
  expect((await client.closed).code).toBe(1006)
  expect(client.acknowledged).toBe(0)
})

describe('the kill test can fail', () => {
  // Commits that take long make sure that the kill comes while updates are on their way to the disk.
  const slow = { SLOW_COMMIT_MS: '100', COMMIT_TIMEOUT: '60000' }

  async function killUnderLoad(environment: Readonly<Record<string, string>>): Promise<{ load: Load; losses: Losses }> {
    const server = await startServer({ environment })
    const load = await startLoad(server, createRandom(1), 1)
    await load.whenAcknowledged(300)
    await server.kill()
    await load.ended()
    return { load, losses: await load.lossesInLog(server.folder) }
  }

  test('with the gate, slow commits lose nothing', async () => {
    const { load, losses } = await killUnderLoad(preloading(['slow-commits'], slow))
    expect(losses.counts).toEqual(nothing)
    expect(load.seen).toBeGreaterThan(0)
  })

  test('without the gate, it finds what was lost', async () => {
    const { load, losses } = await killUnderLoad(preloading(['slow-commits', 'no-gate'], slow))
    console.log(`without the gate: ${losses.acknowledged} of ${load.acknowledged} acknowledged updates lost`)
    expect(losses.acknowledged).toBeGreaterThan(0)
    expect(losses.seen).toBeGreaterThan(0)
  })
})
