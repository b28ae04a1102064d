import { expect, onTestFinished, test, vi } from 'vitest'
import { Awareness, outdatedTimeout } from 'y-protocols/awareness'
import * as Y from 'yjs'
import type { Principal } from '../../server/access/grants.ts'
import { ClientIds } from '../../server/documents/client-ids.ts'
import { Presence, type PresenceHolder } from '../../server/documents/presence.ts'
import { awarenessUpdate } from '../support/messages.ts'

/** Of whom it is told, and from whom it is kept since it is theirs. */
interface Told {
  readonly clients: readonly number[]
  readonly holder: unknown
}

function setUp() {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const awareness = new Awareness(new Y.Doc())
  awareness.setLocalState(null)
  const presence = new Presence(awareness, new ClientIds(new Map()), 1024)
  const told: Told[] = []
  const relayed: (readonly number[])[] = []
  presence.listen({
    onChange: (clients, holder) => void told.push({ clients, holder }),
    onOwnChange: (clients) => void relayed.push(clients),
  })
  return { awareness, presence, told, relayed }
}

function holder(user: string): PresenceHolder {
  const principal: Principal = {
    user,
    name: user,
    grants: [],
    expires: undefined,
    relay: false,
    admin: false,
    agent: false,
  }
  return { principal }
}

const shows = (client: number, clock: number, at = 'title') =>
  awarenessUpdate([{ client, clock, state: JSON.stringify({ at }) }])

test('presence that is only renewed is told of all together, in time', () => {
  const { presence, told, relayed } = setUp()
  const [ann, ben] = [holder('ann'), holder('ben')]
  presence.receive(ann, shows(1, 1))
  presence.receive(ben, shows(2, 1))
  expect(told).toEqual([
    { clients: [1], holder: ann },
    { clients: [2], holder: ben },
  ])
  told.length = 0
  relayed.length = 0
  presence.receive(ann, shows(1, 2))
  presence.receive(ben, shows(2, 2))
  presence.receive(ann, shows(1, 3))
  expect(told).toEqual([])
  // Stock clients renew theirs each half of the time, and look for it each tenth.
  vi.advanceTimersByTime(outdatedTimeout * (1 - 1 / 2 - 1 / 10))
  expect(told).toEqual([{ clients: [1, 2], holder: undefined }])
  expect(relayed).toEqual([[1, 2]])
})

test('what one alone renews is not told to the one', () => {
  const { presence, told } = setUp()
  const ann = holder('ann')
  presence.receive(ann, shows(1, 1))
  presence.receive(ann, shows(1, 2))
  vi.runOnlyPendingTimers()
  expect(told).toEqual([
    { clients: [1], holder: ann },
    { clients: [1], holder: ann },
  ])
})

test('a change is told at once, and what was renewed before it not again', () => {
  const { presence, told } = setUp()
  const ann = holder('ann')
  presence.receive(ann, shows(1, 1))
  presence.receive(ann, shows(1, 2))
  presence.receive(ann, shows(1, 3, 'end'))
  expect(told).toHaveLength(2)
  vi.advanceTimersByTime(outdatedTimeout / 2)
  expect(told).toHaveLength(2)
})

test('who comes back is told of at once, also with what was shown before', () => {
  const { presence, told } = setUp()
  const [before, after] = [holder('ann'), holder('ann')]
  presence.receive(before, shows(1, 1))
  presence.receive(after, shows(1, 2))
  presence.leave(before)
  expect(told).toEqual([
    { clients: [1], holder: before },
    { clients: [1], holder: after },
  ])
})

test('what other instances tell is told at once', () => {
  const { presence, told, relayed } = setUp()
  presence.receiveRelayed(shows(1, 1))
  presence.receiveRelayed(shows(1, 2))
  expect(told).toHaveLength(2)
  expect(relayed).toEqual([])
})
