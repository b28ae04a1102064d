import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Call, callsIn } from '../../model/calls.ts'
import { directChat } from '../../model/rooms.ts'
import { act, callFrom, callOf, whenCall } from '../support/calls.ts'
import { ChatPeer } from '../support/chat-peer.ts'
import { replayFromLog } from '../support/replay.ts'
import { rest } from '../support/rest.ts'
import { startServer, type TestServer } from '../support/server.ts'

const room = directChat('ann', 'bob')
const times = { CALL_RING_TIME: '2000', CALL_AWAY_TIME: '1000' }

let server: TestServer
let ann: ChatPeer
let bob: ChatPeer

beforeEach(async () => {
  server = await startServer({ environment: times })
  ann = await join('ann')
  bob = await join('bob')
})

afterEach(() => server.kill())

function join(user: string): Promise<ChatPeer> {
  return ChatPeer.open(server, room, { user, understandsRefusals: true })
}

async function answeredCall(): Promise<string> {
  const id = callFrom(ann, 'ann', ['bob'])
  await whenCall(bob, id, 'ringing')
  act(bob, id, 'answer', 'bob')
  await Promise.all([whenCall(ann, id, 'answered'), whenCall(bob, id, 'answered')])
  return id
}

function party({ parties }: Call, user: string) {
  return parties.find((entry) => entry.user === user)
}

/** What the log has of a call, read without the server. */
async function storedCall(id: string): Promise<Call | undefined> {
  const { [room]: head } = await replayFromLog(server.folder, [room])
  return head && callsIn(head).find((call) => call.id === id)
}

describe('a call in a room', () => {
  test('is answered and ended, with the server’s times', async () => {
    const before = Date.now()
    const id = await answeredCall()
    await setTimeout(300)
    act(ann, id, 'end', 'ann')
    const [call, seen] = await Promise.all([whenCall(ann, id, 'ended'), whenCall(bob, id, 'ended')])
    expect(seen).toEqual(call)
    expect(call.at).toBeGreaterThanOrEqual(before)
    expect(call.duration).toBe(Number(call.endedAt) - Number(call.answeredAt))
    expect(call.duration).toBeGreaterThanOrEqual(300)
    expect(call.endedAt).toBeLessThanOrEqual(Date.now())
    const path = `/api/rooms/${encodeURIComponent(room)}/calls`
    expect((await rest(server, path, { user: 'bob' })).body).toEqual({ calls: [call] })
    expect((await rest(server, path, { user: 'eve' })).status).toBe(403)
  })

  test('stops ringing on all devices of a user when one of them answers', async () => {
    const tablet = await join('bob')
    const id = callFrom(ann, 'ann', ['bob'])
    await Promise.all([whenCall(bob, id, 'ringing'), whenCall(tablet, id, 'ringing')])
    act(bob, id, 'answer', 'bob', 'phone')
    expect(party(await whenCall(tablet, id, 'answered'), 'bob')).toEqual({
      user: 'bob',
      state: 'joined',
      device: 'phone',
    })
  })

  test('is missed by time alone, and then can not be answered', async () => {
    const id = callFrom(ann, 'ann', ['bob'])
    const call = await whenCall(bob, id, 'missed')
    expect(Number(call.endedAt) - call.at).toBe(2_000)
    act(bob, id, 'answer', 'bob')
    await bob.answered(1)
    await bob.sync()
    expect(callOf(bob, id)).toEqual(call)
  })

  test('goes on where a party comes back in time, and fails where it does not', async () => {
    const id = await answeredCall()
    bob.destroy()
    await setTimeout(500)
    bob = await join('bob')
    await setTimeout(1_000)
    await ann.sync()
    expect(callOf(ann, id)?.state).toBe('answered')
    bob.destroy()
    const call = await whenCall(ann, id, 'failed')
    expect(party(call, 'bob')?.state).toBe('vanished')
    expect(call.duration).toBeGreaterThanOrEqual(1_500)
  })

  test('is cancelled when the caller is gone, though nobody has the room open any more', async () => {
    const id = callFrom(ann, 'ann', ['bob'])
    await whenCall(bob, id, 'ringing')
    ann.destroy()
    bob.destroy()
    await expect.poll(async () => (await storedCall(id))?.state, { timeout: 10_000 }).toBe('cancelled')
  })

  test('that rings when the server dies is missed once somebody opens the room', async () => {
    const id = callFrom(ann, 'ann', ['bob'])
    await whenCall(bob, id, 'ringing')
    await server.kill()
    expect((await storedCall(id))?.state).toBe('ringing')
    await setTimeout(2_000)
    server = await server.restart()
    bob = await join('bob')
    const call = await whenCall(bob, id, 'missed')
    expect(Number(call.endedAt) - call.at).toBe(2_000)
  })

  test('that rings when the server restarts goes on ringing', async () => {
    await server.kill()
    server = await startServer({ folder: server.folder, environment: { ...times, CALL_RING_TIME: '60000' } })
    ;[ann, bob] = [await join('ann'), await join('bob')]
    const id = callFrom(ann, 'ann', ['bob'])
    await whenCall(bob, id, 'ringing')
    await server.kill()
    server = await server.restart()
    ;[ann, bob] = [await join('ann'), await join('bob')]
    act(bob, id, 'answer', 'bob')
    expect((await whenCall(ann, id, 'answered')).duration).toBeUndefined()
  })

  test('does not keep the server from stopping', async () => {
    const id = await answeredCall()
    expect(await server.stop()).toBe(0)
    expect((await storedCall(id))?.state).toBe('answered')
  })
})

describe('a direct message', () => {
  test('reaches all connections of its user in the room, and nobody else', async () => {
    const tablet = await join('bob')
    ann.sendDirect({ to: 'bob', kind: 'wave', payload: '{"hand":"left"}' })
    const expected = { from: 'ann', kind: 'wave', payload: '{"hand":"left"}' }
    for (const peer of [bob, tablet]) {
      await peer.until(() => peer.directs.length > 0)
      expect(peer.directs).toEqual([expected])
    }
    await ann.sync()
    expect([ann.directs, ann.notSent]).toEqual([[], []])
  })

  test('keeps its place among others and among changes of the head', async () => {
    const id = callFrom(ann, 'ann', ['bob'])
    await whenCall(bob, id, 'ringing')
    act(bob, id, 'answer', 'bob')
    // Right behind the act: bob's client need not wait for what the server makes of it.
    for (let n = 0; n < 20; n += 1) {
      bob.sendDirect({ to: 'ann', kind: 'signal', payload: `${n}`, call: { id, device: 'bob1' } })
    }
    await ann.until(() => ann.directs.length === 20)
    expect(callOf(ann, id)?.state).toBe('answered')
    expect(ann.directs.map(({ payload }) => Number(payload))).toEqual(Array.from({ length: 20 }, (_, n) => n))
    expect(ann.directs[0]?.call).toEqual({ id, device: 'ann1' })
  })

  test('is stored nowhere', async () => {
    ann.sendDirect({ to: 'bob', kind: 'secret', payload: 'never to be written' })
    await bob.until(() => bob.directs.length === 1)
    await server.stop()
    const { readdirSync, readFileSync } = await import('node:fs')
    const files = readdirSync(server.folder, { recursive: true, withFileTypes: true }).filter((file) => file.isFile())
    expect(files.length).toBeGreaterThan(0)
    for (const file of files) {
      expect(readFileSync(`${file.parentPath}/${file.name}`).includes('never to be written')).toBe(false)
    }
  })
})
