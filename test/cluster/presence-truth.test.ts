import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, test } from 'vitest'
import type { Awareness } from 'y-protocols/awareness'
import { lastSeenOf } from '../../model/lobby.ts'
import { lobbyOf } from '../../model/rooms.ts'
import { Instances } from '../support/instances.ts'
import { createRandom, isSoak, type Random, seedsFor } from '../support/random.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { databaseUrl, type TestServer, temporaryFolder } from '../support/server.ts'
import { PresentPeer } from './present-peer.ts'

const PEERS = isSoak ? 200 : 40
const EVENTS = isSoak ? 2_000 : 150
/** Between two events, ms. */
const PAUSE_MS = isSoak ? 60 : 150
/** How long presence may take to be true again: y-protocols looks every 3 s for who was silent for 30 s. */
const TRUE_AFTER_MS = 35_000
/** What two busy cores may add to that. */
const PATIENCE_MS = 5_000

let redis: TestRedis
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.stop())

/** The Yjs client ids, in order, with the user of each. */
function seenBy(awareness: Awareness): string[] {
  const states = [...awareness.getStates()].filter(([, state]) => state.user !== undefined)
  return states.map(([client, state]) => `${client} ${state.user.name}`).sort()
}

/** Who should be seen. */
function truth(peers: readonly PresentPeer[]): string[] {
  return peers.flatMap(({ shown, user }) => (shown === undefined ? [] : [`${shown} ${user}`])).sort()
}

type Act = (peer: PresentPeer) => unknown

/** What may happen to a device as it is. */
function actsFor(peer: PresentPeer): Act[] {
  if (!peer.isThere) return [(one) => one.enter()]
  if (peer.isAsleep) return [(one) => one.wake(), (one) => one.wake(), (one) => one.vanish(), () => {}]
  return [
    (one) => one.leave(),
    (one) => one.crash(),
    (one) => one.vanish(),
    (one) => one.sleep(),
    (one) => one.reload(),
    (one) => one.reload(),
    (one) => one.roam(),
  ]
}

async function disturb(peers: readonly PresentPeer[], random: Random): Promise<void> {
  for (let event = 0; event < EVENTS; event += 1) {
    const peer = random.pick(peers)
    await random.pick(actsFor(peer))(peer)
    await setTimeout(random.int(2 * PAUSE_MS))
  }
}

/** What is wrong, by who sees it. */
function errors(peers: readonly PresentPeer[]): Record<string, { missing: string[]; ghosts: string[] }> {
  const expected = truth(peers)
  return Object.fromEntries(
    peers.flatMap(({ awareness, user }, index) => {
      if (awareness === undefined) return []
      const seen = seenBy(awareness)
      const missing = expected.filter((one) => !seen.includes(one))
      const ghosts = seen.filter((one) => !expected.includes(one))
      return missing.length + ghosts.length === 0 ? [] : [[`${index} ${user}`, { missing, ghosts }]]
    }),
  )
}

/** Which of the undisturbed ones were seen to go, by anybody undisturbed. */
function watchFlicker(witnesses: readonly PresentPeer[]): () => string[] {
  const flickers: string[] = []
  const known = new Map(witnesses.map(({ shown, user }) => [shown, user]))
  for (const { awareness, user } of witnesses) {
    awareness?.on('change', ({ removed }: { removed: number[] }) => {
      for (const client of removed) if (known.has(client)) flickers.push(`${user} saw ${known.get(client)} go`)
    })
  }
  return () => flickers
}

describe.concurrent.each([1, 2])('%i server(s)', (count) => {
  test.concurrent.for(seedsFor([], 1))(
    '35 s after the last event everybody sees exactly who is there (SEED=%i)',
    { timeout: 600_000 },
    async (seed, { expect, onTestFailed, onTestFinished }) => {
      const random = createRandom(seed)
      // Not through a cable: it would be as slow as this process, with its hundreds of clients.
      const environment = { ...(count > 1 && { REDIS_URL: redis.url }) }
      const instances = await Instances.start(count, { databaseUrl: databaseUrl(temporaryFolder()), environment })
      onTestFailed(() => console.log(`logs in ${instances.keepLogs()}`))
      const document = lobbyOf(`truth-${seed}`)
      const servers = instances.all.map(({ server }) => server)
      const open = (user: string, index: number, among: readonly TestServer[] = servers) =>
        new PresentPeer({
          servers: among,
          document,
          user,
          dialect: index % 3 === 0 ? 'y-websocket' : 'hocuspocus',
          random,
        })
      const witnesses = servers.flatMap((server, at) => [
        open(`witness ${at} of y-websocket`, 0, [server]),
        open(`witness ${at}`, 1, [server]),
      ])
      // Some have several devices.
      const others = Array.from({ length: PEERS }, (_, index) => open(`user ${index % (PEERS / 2)}`, index))
      const peers = [...witnesses, ...others]
      onTestFinished(async () => {
        for (const peer of peers) peer.close()
        await instances.close()
      })
      await Promise.all(witnesses.map((witness) => witness.enter()))
      await expect
        .poll(() => witnesses.map(({ awareness }) => awareness && seenBy(awareness)), { timeout: 20_000 })
        .toEqual(witnesses.map(() => truth(witnesses)))
      const flickers = watchFlicker(witnesses)
      const start = Date.now()
      await disturb(others, random)
      const end = Date.now()
      const isTrue = () => Object.keys(errors(peers)).length === 0
      let trueAfterMs = 0
      while (!isTrue() || Date.now() - end < TRUE_AFTER_MS) {
        if (isTrue()) trueAfterMs ||= Date.now() - end
        else trueAfterMs = 0
        if (Date.now() - end > TRUE_AFTER_MS + PATIENCE_MS) break
        await setTimeout(100)
      }
      console.log(`${count} servers, ${truth(peers).length} present: true after ${trueAfterMs} ms (SEED=${seed})`)
      expect(errors(peers)).toEqual({})
      expect(truth(others).length).toBeGreaterThan(0)
      expect(flickers()).toEqual([])

      // Of those who are gone with all their devices, the server has written when.
      const present = new Set(peers.flatMap((peer) => (peer.shown === undefined ? [] : [peer.user])))
      const ydoc = witnesses[0]?.awareness?.doc
      if (ydoc === undefined) throw new Error('no witness')
      const lastSeen = lastSeenOf(ydoc)
      const gone = others.filter(({ user, wasThere }) => wasThere && !present.has(user)).map(({ user }) => user)
      await expect.poll(() => gone.filter((user) => !lastSeen.has(user)), { timeout: 15_000 }).toEqual([])
      for (const user of gone) {
        expect(lastSeen.get(user), user).toBeGreaterThan(start - 1_000)
        expect(lastSeen.get(user), user).toBeLessThan(Date.now())
      }
    },
  )
})
