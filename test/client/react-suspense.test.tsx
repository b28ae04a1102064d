import { setImmediate } from 'node:timers/promises'
import { type ReactNode, Suspense } from 'react'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import type { CollaborativeDocument, DocumentState, Presence, Session } from '../../client/api.ts'
import { openChat } from '../../client/chat/open-chat.ts'
import { InboxHandle } from '../../client/inbox/inbox-handle.ts'
import { CoweaveProvider, useDocument } from '../../client/react/index.ts'
import type { SessionDocuments } from '../../client/session-documents.ts'
import { Store } from '../../client/store.ts'
import { render } from '../support/react.ts'

const UNREADY: DocumentState = {
  status: { kind: 'offline', reason: 'no network' },
  ready: false,
  synced: false,
  readOnly: false,
  unsaved: 0,
  kept: true,
  unkept: 0,
  unseenPeople: 0,
}

/** One document, for as many handles as are asked for, of a server that is never reached. */
class OfflineSession implements Session {
  readonly user = 'ann'
  readonly status = new Store(UNREADY.status)
  readonly state = new Store(UNREADY)
  readonly presence = new Store<readonly Presence[]>([])
  readonly ydoc = new Y.Doc()
  readonly awareness = new Awareness(this.ydoc)
  handles = 0
  opened = 0

  document(name: string): CollaborativeDocument {
    this.handles += 1
    this.opened += 1
    const never = new Promise<void>(() => {})
    return {
      name,
      ydoc: this.ydoc,
      awareness: this.awareness,
      state: this.state,
      presence: this.presence,
      status: UNREADY.status,
      unsaved: 0,
      whenSynced: never,
      whenReady: never,
      whenSaved: () => never,
      setPresence() {},
      sendStateless: () => false,
      onStateless: () => () => {},
      onRefused: () => () => {},
      onReplaced: () => () => {},
      retry() {},
      discardCopy: () => never,
      destroy: () => {
        this.handles -= 1
      },
    }
  }

  get push(): never {
    throw new Error('nothing is pushed here')
  }

  lobby(): never {
    throw new Error('there is no lobby here')
  }

  chat(room: string) {
    return openChat(this.#documents(), room)
  }

  inbox() {
    return new InboxHandle(this.#documents())
  }

  #documents(): SessionDocuments {
    const { user } = this
    const open = (name: string) => this.document(name)
    return { user, whenUser: Promise.resolve(user), storageKey: undefined, open, fetch }
  }

  send = () => false
  onDirectMessage = () => () => {}
  onDirectRefused = () => () => {}
  renewToken(): void {}
  fetch = fetch
  async signOut(): Promise<void> {}
  close(): void {}
}

function Page(): ReactNode {
  return useDocument('notes/plan', { suspense: true }).document.name
}

const pageOf = (session: Session) => (
  <CoweaveProvider session={session}>
    <Suspense fallback="waiting">
      <Page />
    </Suspense>
  </CoweaveProvider>
)

/** Lets time pass, and React render each second. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1_000) {
    await vi.advanceTimersByTimeAsync(1_000)
    await setImmediate()
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

test('a wait that nobody waits for any more ends, and the document is given back', async () => {
  const session = new OfflineSession()
  const page = await render(pageOf(session))
  expect(page.text).toBe('waiting')
  await page.unmount()
  expect(session.handles).toBe(1)
  await pass(60_000)
  expect(session.handles).toBe(0)
})

test('who waits longer goes on waiting', async () => {
  const session = new OfflineSession()
  const page = await render(pageOf(session))
  for (let minute = 0; minute < 3; minute++) {
    await pass(60_000)
    expect(page.text).toBe('waiting')
    expect(session.handles).toBeGreaterThan(0)
    expect(session.handles).toBeLessThanOrEqual(2)
  }
  session.state.set({ ...UNREADY, ready: true })
  await vi.advanceTimersByTimeAsync(100)
  // React itself holds a fallback on the screen for a moment.
  await expect.poll(() => page.text).toBe('notes/plan')
  await pass(60_000)
  expect(session.handles, 'the component’s own').toBe(1)
  await page.unmount()
  await pass(1_000)
  expect(session.handles).toBe(0)
})
