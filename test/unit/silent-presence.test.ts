import { expect, onTestFinished, test, vi } from 'vitest'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { ClientIds } from '../../server/documents/client-ids.ts'
import { Presence } from '../../server/documents/presence.ts'
import { awarenessUpdate } from '../support/messages.ts'

function setUp() {
  // The clock of y-protocols can't be set.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const ydoc = new Y.Doc()
  const awareness = new Awareness(ydoc)
  awareness.setLocalState(null)
  return { ydoc, awareness, presence: new Presence(awareness, new ClientIds(new Map()), 1024) }
}

const shows = (client: number, clock: number) => awarenessUpdate([{ client, clock, state: '{"user":{"id":"ann"}}' }])

/** Has it that `client` was last heard of so long ago. */
function age({ meta }: Awareness, client: number, ms: number): void {
  const entry = meta.get(client)
  if (entry !== undefined) entry.lastUpdated = Date.now() - ms
}

test('who is silent for 30 s is shown no more', () => {
  const { awareness, presence } = setUp()
  presence.receiveRelayed(shows(1, 1))
  presence.receiveRelayed(shows(2, 1))
  age(awareness, 1, 31_000)
  age(awareness, 2, 20_000)
  vi.advanceTimersByTime(3_000)
  expect([...awareness.states.keys()]).toEqual([2])
  age(awareness, 2, 31_000)
  vi.advanceTimersByTime(3_000)
  expect([...awareness.states.keys()]).toEqual([])
})

test('a document in which nobody is shown has no timer', () => {
  const { ydoc, awareness, presence } = setUp()
  expect(vi.getTimerCount()).toBe(0)
  presence.receiveRelayed(shows(1, 1))
  expect(vi.getTimerCount()).toBe(1)
  age(awareness, 1, 31_000)
  vi.advanceTimersByTime(3_000)
  expect(vi.getTimerCount()).toBe(0)
  presence.receiveRelayed(shows(1, 5))
  ydoc.destroy()
  expect(vi.getTimerCount()).toBe(0)
})
