import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Call, callsIn, callsOf, startCall } from '../../model/calls.ts'
import { type DirectDelivery, decodeDirectDelivery, encodeDirectRequest } from '../../model/direct.ts'
import { directChat } from '../../model/rooms.ts'
import { act } from '../support/calls.ts'
import { type Client, openClient, until, whenDocument } from '../support/clients.ts'
import { Instances } from '../support/instances.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { replayFromLog } from '../support/replay.ts'
import { databaseUrl, temporaryFolder } from '../support/server.ts'

const folder = temporaryFolder()
let redis: TestRedis
let instances: Instances

beforeAll(async () => {
  redis = await startRedis()
  instances = await Instances.start(2, {
    databaseUrl: databaseUrl(folder),
    redis,
    environment: { CALL_AWAY_TIME: '3000' },
  })
}, 60_000)

afterAll(async () => {
  await instances.close()
  await redis.stop()
})

interface Caller {
  readonly client: Client
  readonly directs: DirectDelivery[]
}

/** Somebody with a stock client on one of the instances. */
async function join(nth: number, room: string, user: string): Promise<Caller> {
  const client = openClient(instances.all[nth]?.server ?? expect.fail(), room, { user })
  const directs: DirectDelivery[] = []
  client.provider.on('stateless', ({ payload }: { payload: string }) => {
    const direct = decodeDirectDelivery(payload)
    if (direct !== undefined) directs.push(direct)
  })
  // The first state of a stock client is not told on: it has the clock that nobody's has.
  client.provider.setAwarenessField('shown', true)
  await client.synced()
  return { client, directs }
}

function callIn({ client }: Caller): Call | undefined {
  return callsIn(client.ydoc)[0]
}

async function whenState(caller: Caller, state: Call['state']): Promise<Call> {
  const { ydoc } = caller.client
  const isWritten = () => callsOf(ydoc).length > 0 && callsOf(ydoc).get(0).has('course')
  await whenDocument(ydoc, () => isWritten() && callIn(caller)?.state === state)
  return callIn(caller) ?? expect.fail()
}

function does(caller: Caller, what: Parameters<typeof act>[2], user: string): void {
  const { ydoc } = caller.client
  act({ edit: (edit) => edit(ydoc) }, callIn(caller)?.id ?? '', what, user)
}

function sees(caller: Caller, user: string): Promise<void> {
  const { awareness } = caller.client.provider
  if (awareness === null) return expect.fail()
  return until(
    () => [...awareness.getStates().values()].some((state) => state.user?.id === user),
    (check) => awareness.on('change', check),
  )
}

async function call(room: string): Promise<{ ann: Caller; bob: Caller; id: string }> {
  const [ann, bob] = [await join(0, room, 'ann'), await join(1, room, 'bob')]
  await Promise.all([sees(ann, 'bob'), sees(bob, 'ann')])
  const id = startCall(ann.client.ydoc, { from: 'ann', to: ['bob'], media: 'video', device: 'ann1' })
  await whenState(bob, 'ringing')
  does(bob, 'answer', 'bob')
  await Promise.all([whenState(ann, 'answered'), whenState(bob, 'answered')])
  return { ann, bob, id }
}

function leave(...callers: readonly Caller[]): void {
  for (const { client } of callers) client.destroy()
}

test('parties on two instances signal to each other, in order, and to nobody else', async () => {
  const { ann, bob, id } = await call(directChat('ann', 'bob'))
  const annElsewhere = await join(1, directChat('ann', 'bob'), 'ann')
  for (let n = 0; n < 50; n += 1) {
    const request = { kind: 'signal', payload: `${n}` }
    ann.client.provider.sendStateless(encodeDirectRequest({ to: 'bob', call: { id, device: 'ann1' }, ...request }))
    bob.client.provider.sendStateless(encodeDirectRequest({ to: 'ann', call: { id, device: 'bob1' }, ...request }))
  }
  await expect.poll(() => [ann.directs.length, bob.directs.length], { timeout: 20_000 }).toEqual([50, 50])
  expect(bob.directs.map(({ payload }) => Number(payload))).toEqual(Array.from({ length: 50 }, (_, n) => n))
  expect(bob.directs[0]).toEqual({ from: 'ann', kind: 'signal', payload: '0', call: { id, device: 'bob1' } })
  // All devices of a user get it; which of them it is for stands in it.
  await expect.poll(() => annElsewhere.directs.length).toBe(50)
  does(ann, 'end', 'ann')
  const [seen, alsoSeen] = await Promise.all([whenState(ann, 'ended'), whenState(bob, 'ended')])
  expect(alsoSeen).toEqual(seen)
  leave(ann, bob, annElsewhere)
})

test('[promise 2] both end a call on two instances at once: all see the same, and the log too', async () => {
  const rounds = 5
  for (let round = 0; round < rounds; round += 1) {
    const room = `chat/both ${round}`
    const { ann, bob } = await call(room)
    does(ann, round % 2 === 0 ? 'end' : 'cancel', 'ann')
    does(bob, 'end', 'bob')
    await Promise.all([whenState(ann, 'ended'), whenState(bob, 'ended')])
    await expect.poll(() => isDeepStrictEqual(callIn(bob), callIn(ann))).toBe(true)
    await Promise.all([ann.client.saved(), bob.client.saved()])
    const stored = async () => {
      const { [room]: head } = await replayFromLog(folder, [room])
      return head && callsIn(head)[0]
    }
    await expect.poll(stored, { timeout: 10_000 }).toEqual(callIn(ann))
    leave(ann, bob)
  }
})

test('who answers on one instance while it is cancelled on the other: the call is over for both', async () => {
  for (let round = 0; round < 5; round += 1) {
    const room = `chat/crossing ${round}`
    const [ann, bob] = [await join(0, room, 'ann'), await join(1, room, 'bob')]
    await Promise.all([sees(ann, 'bob'), sees(bob, 'ann')])
    startCall(ann.client.ydoc, { from: 'ann', to: ['bob'], media: 'video', device: 'ann1' })
    await whenState(bob, 'ringing')
    does(ann, 'cancel', 'ann')
    does(bob, 'answer', 'bob')
    const isOver = (caller: Caller) => ['cancelled', 'ended'].includes(callIn(caller)?.state ?? '')
    await Promise.all([ann, bob].map((caller) => whenDocument(caller.client.ydoc, () => isOver(caller))))
    await expect.poll(() => isDeepStrictEqual(callIn(bob), callIn(ann))).toBe(true)
    leave(ann, bob)
  }
})

test('a party on another instance counts as there, also while Redis is away, and a dead one does not', async () => {
  const { ann, bob } = await call('chat/away')
  await redis.stop()
  // Longer than a party may be away.
  await new Promise((resolve) => setTimeout(resolve, 8_000))
  expect(callIn(ann)?.state).toBe('answered')
  await redis.start()
  await Promise.all([sees(ann, 'bob'), sees(bob, 'ann')])
  await new Promise((resolve) => setTimeout(resolve, 5_000))
  expect(callIn(ann)?.state).toBe('answered')
  leave(bob)
  expect((await whenState(ann, 'failed')).parties.map(({ state }) => state)).toEqual(['joined', 'vanished'])
  leave(ann)
}, 90_000)
