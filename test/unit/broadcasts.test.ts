import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Outgoing } from '../../server/connection/egress.ts'
import { hocuspocusAddress, messagesOf, noAddress } from '../../server/connection/frames.ts'
import { Broadcasts } from '../../server/documents/broadcasts.ts'
import { type Subscriber, Subscribers } from '../../server/documents/subscribers.ts'

const principal = {
  user: 'ada',
  name: 'Ada',
  grants: [],
  expires: Number.POSITIVE_INFINITY,
  relay: false,
  admin: false,
  agent: false,
}

let subscribers: Subscribers
let received: Outgoing[][]
let members: Subscriber[]
let appended: number
let broadcasts: Broadcasts

beforeEach(() => {
  vi.useFakeTimers()
  appended = 0
})

afterEach(() => {
  broadcasts.close()
  vi.useRealTimers()
})

/** A document that so many have open; writing to all of them takes 0.8 ms. */
function room(size: number): void {
  subscribers = new Subscribers()
  received = Array.from({ length: size }, () => [])
  members = received.map((told, index) => ({
    principal,
    level: 'write',
    address: index % 2 === 0 ? hocuspocusAddress('notes') : noAddress,
    send: (outgoing) => told.push(outgoing),
  }))
  for (const member of members) subscribers.add(member)
  const presenceOf = (clients: ReadonlySet<number>) => Uint8Array.of(clients.size, ...clients)
  broadcasts = new Broadcasts({ subscribers, appended: () => appended, writingMs: () => 0.8, presenceOf })
}

function edit(sender: Subscriber | undefined, content: number): void {
  appended += 1
  broadcasts.update(sender, Uint8Array.of(content), false)
}

/** The last byte of each message that a member got, by write. */
function contentsOf(member: number): number[][] {
  return (received[member] ?? []).map(({ frame }) => Array.from(messagesOf(frame), (message) => message.at(-1) ?? -1))
}

describe('edits', () => {
  test('of a few are told at once, each by itself', () => {
    room(3)
    for (const content of [11, 12, 13]) edit(members[0], content)
    expect(contentsOf(0)).toEqual([])
    expect(contentsOf(1)).toEqual([[11], [12], [13]])
    expect(received[1]?.map(({ after }) => after)).toEqual([1, 2, 3])
  })

  test('of a crowd go out together while it was told just before, and nobody gets their own', () => {
    room(40)
    edit(members[0], 11)
    expect(contentsOf(1), 'the first one waits for nothing').toEqual([[11]])
    edit(members[0], 12)
    edit(members[1], 13)
    edit(members[0], 14)
    vi.advanceTimersByTime(7)
    expect(contentsOf(2)).toEqual([[11]])
    vi.advanceTimersByTime(2)
    expect(contentsOf(2)).toEqual([[11], [12, 13, 14]])
    expect(contentsOf(3)).toEqual([[11], [12, 13, 14]])
    expect(contentsOf(0)).toEqual([[13]])
    expect(contentsOf(1)).toEqual([[11], [12, 14]])
    expect(received[2]?.at(-1)?.after, '[promise 1] not before the last of them is committed').toBe(4)
    vi.advanceTimersByTime(50)
    edit(undefined, 15)
    expect(contentsOf(2).at(-1), 'after a pause nothing waits').toEqual([15])
  })

  test('wait for no commit but their own, also behind others that came later', () => {
    room(40)
    edit(members[0], 11)
    edit(members[0], 12)
    appended = 100
    vi.advanceTimersByTime(10)
    expect(received[2]?.at(-1)?.after).toBe(2)
  })

  test('that are too much to gather are told at once', () => {
    room(40)
    edit(members[0], 11)
    broadcasts.update(members[0], new Uint8Array(300_000), false)
    expect(received[2]).toHaveLength(2)
  })

  test('[promise 1] of a document that is forgotten are told to nobody', () => {
    room(40)
    edit(members[0], 11)
    edit(members[0], 12)
    broadcasts.close()
    vi.advanceTimersByTime(100)
    expect(contentsOf(2)).toEqual([[11]])
  })
})

describe('presence', () => {
  test('of a few is told at once, and of a crowd every 50 ms, each client once', () => {
    room(3)
    broadcasts.presence(members[0], [7])
    expect(contentsOf(0)).toEqual([])
    expect(contentsOf(1)).toEqual([[7]])
    broadcasts.close()

    room(100)
    for (const client of [7, 8, 7]) broadcasts.presence(members[0], [client])
    vi.advanceTimersByTime(49)
    expect(contentsOf(1)).toEqual([])
    vi.advanceTimersByTime(1)
    const [[message] = []] = (received[1] ?? []).map(({ frame }) => [...messagesOf(frame)])
    expect(message?.subarray(-3)).toEqual(Buffer.from([2, 7, 8]))
  })

  test('is not told to who reads too slowly; edits are', () => {
    room(3)
    const [first, second, slow] = members
    if (slow !== undefined) Object.assign(slow, { isBehind: true })
    broadcasts.presence(first, [7])
    edit(second, 11)
    expect(contentsOf(1)).toEqual([[7]])
    expect(contentsOf(2)).toEqual([[11]])
  })

  test('never overtakes the edits before it, and goes out with those that come while it waits', () => {
    room(100)
    edit(members[0], 11)
    edit(members[0], 12)
    broadcasts.presence(members[0], [7])
    vi.advanceTimersByTime(8)
    expect(contentsOf(3).flat()).toEqual([11, 12, 7])
    broadcasts.presence(members[0], [8])
    vi.advanceTimersByTime(10)
    edit(members[0], 13)
    expect(contentsOf(3).flat(), 'not as often as edits').toEqual([11, 12, 7, 13])
    vi.advanceTimersByTime(50)
    expect(contentsOf(3).flat()).toEqual([11, 12, 7, 13, 8])
  })
})
