import { Component, type ReactNode, StrictMode, Suspense, use } from 'react'
import { renderToString } from 'react-dom/server'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { Chat, CollaborativeDocument, Session } from '../../client/index.ts'
import {
  type ChatView,
  CoweaveProvider,
  type DocumentView,
  type LobbyView,
  useArray,
  useChat,
  useDocument,
  useLobby,
  useMap,
  usePresence,
  useSession,
  useStatus,
  useText,
  useTyping,
} from '../../client/react/index.ts'
import { Cable } from '../support/cable.ts'
import { closeSessions, openSession, whenText, write } from '../support/client-session.ts'
import { CountedSession, listenersOf } from '../support/counted-session.ts'
import { act, render, shown, turn } from '../support/react.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'

let server: TestServer
let name = ''
let documents = 0

beforeAll(async () => {
  server = await startServer()
})
afterAll(async () => {
  expect(await server.stop()).toBe(0)
})
beforeEach(() => {
  documents += 1
  name = `react/${documents}`
})
afterEach(closeSessions)

function counted(as = 'ann'): CountedSession {
  return new CountedSession(openSession(server, { as }))
}

async function openDocument(as = 'ben'): Promise<CollaborativeDocument> {
  const document = openSession(server, { as }).document(name)
  await document.whenSynced
  return document
}

describe('useDocument', () => {
  function Page({ name, onView }: { name: string; onView?: (view: DocumentView) => void }): ReactNode {
    const view = useDocument(name)
    onView?.(view)
    const text = useText(view.document, 'text')
    return view.ready ? `${view.document.name}: ${text}` : 'wait'
  }

  test('opens a document, shows it once it is ready, and follows it', async () => {
    const { session } = counted()
    const views: DocumentView[] = []
    const page = await render(
      <CoweaveProvider session={session}>
        <Page name={name} onView={(view) => views.push(view)} />
      </CoweaveProvider>,
    )
    expect(page.text).toBe('wait')
    expect(views[0]).toMatchObject({ ready: false, document: undefined, ydoc: undefined, presence: [] })
    const other = await openDocument()
    write(other, 'hello')
    await shown(() => page.text === `${name}: hello`)
    const view = views.at(-1)
    if (!view?.ready) expect.unreachable()
    await act(() => write(view, ' world'))
    expect(page.text).toBe(`${name}: hello world`)
    await whenText(other, 'hello world')
  })

  test('opens it once in StrictMode, and gives everything back', async () => {
    const all = counted()
    const page = await render(
      <StrictMode>
        <CoweaveProvider session={all.session}>
          <Page name={name} />
          <Page name={name} />
        </CoweaveProvider>
      </StrictMode>,
    )
    await shown(() => page.text === `${name}: ${name}: `)
    expect(all.opened, 'one handle a component').toHaveLength(2)
    await page.unmount()
    await turn()
    expect(all).toMatchObject({ documents: 0, chats: 0, listeners: 0 })
  })

  test('opens nothing in a render that is thrown away, nor on a server', async () => {
    const all = counted()
    const never = new Promise<string>(() => {})
    function Waiting(): ReactNode {
      useDocument(name)
      useChat(`chat/${name}`)
      return use(never)
    }
    const page = await render(
      <CoweaveProvider session={all.session}>
        <Suspense fallback="waiting">
          <Waiting />
        </Suspense>
      </CoweaveProvider>,
    )
    expect(page.text).toBe('waiting')
    const html = renderToString(
      <CoweaveProvider session={all.session}>
        <Page name={name} />
      </CoweaveProvider>,
    )
    expect(html).toBe('wait')
    expect(all.opened).toEqual([])
  })

  test('never shows another document’s content when the name changes', async () => {
    const all = counted()
    const views: [string, DocumentView][] = []
    const pageOf = (name: string) => (
      <CoweaveProvider session={all.session}>
        <Page name={name} onView={(view) => views.push([name, view])} />
      </CoweaveProvider>
    )
    const page = await render(pageOf(name))
    await shown(() => page.text === `${name}: `)
    await page.rerender(pageOf(`${name}/b`))
    await shown(() => page.text === `${name}/b: `)
    for (const [name, view] of views) expect([undefined, name]).toContain(view.document?.name)
    await turn()
    expect(all.documents).toBe(1)
  })

  test('renders again only for what was read', async () => {
    let quiet = 0
    let busy = 0
    function Quiet(): ReactNode {
      const { document, chat, presence } = useDocument(name)
      quiet += 1
      return `${document?.name} ${chat?.room} ${presence.map(({ user }) => user)}`
    }
    function Busy(): ReactNode {
      const { unsaved } = useDocument(name)
      busy += 1
      return ` ${unsaved}`
    }
    const all = counted()
    const page = await render(
      <CoweaveProvider session={all.session}>
        <Quiet />
        <Busy />
      </CoweaveProvider>,
    )
    const mine = all.session.document(name)
    await mine.whenSynced
    await shown(() => page.text === `${name} chat/${name} ann 0`)
    const before = { quiet, busy }
    await act(() => write(mine, 'x'))
    expect(page.text).toContain(' 1')
    await mine.whenSaved()
    await shown(() => page.text.endsWith(' 0'))
    expect(quiet).toBe(before.quiet)
    expect(busy).toBeGreaterThan(before.busy)
    await openDocument('ben')
    await shown(() => page.text.includes('ann,ben'))
    expect(quiet).toBe(before.quiet + 1)
  })

  test('what is read later, as in an event handler, is as it is then', async () => {
    let view: DocumentView | undefined
    let renders = 0
    function Button(): null {
      view = useDocument(name)
      renders += 1
      return null
    }
    const { session } = counted()
    await render(
      <CoweaveProvider session={session}>
        <Button />
      </CoweaveProvider>,
    )
    const mine = session.document(name)
    await mine.whenSynced
    expect(renders).toBe(1)
    expect(view?.ydoc).toBe(mine.ydoc)
    expect(view).toMatchObject({ ready: true, unsaved: 0 })
  })

  test('gives the Y.Doc anew after a refused change', async () => {
    name = `chat/${name}`
    const ydocs = new Set<unknown>()
    let reads = {}
    function Reads(): ReactNode {
      const { document, ydoc, ready } = useDocument(name)
      if (ydoc !== undefined) ydocs.add(ydoc)
      reads = useMap(document, 'reads')
      return ready ? 'ready' : 'wait'
    }
    const { session } = counted()
    const page = await render(
      <CoweaveProvider session={session}>
        <Reads />
      </CoweaveProvider>,
    )
    await shown(() => page.text === 'ready')
    const mine = session.document(name)
    await act(() => mine.ydoc.getMap('reads').set('somebody else', 1))
    expect(reads).toEqual({ 'somebody else': 1 })
    await shown(() => ydocs.size === 2)
    expect(reads).toEqual({})
  })

  test('a name that no document may have is an error of the component', async () => {
    const { session } = counted()
    const page = await render(
      <CoweaveProvider session={session}>
        <Boundary>
          <Page name="a//b" />
        </Boundary>
      </CoweaveProvider>,
    )
    expect(page.text).toMatch(/empty segments/)
  })

  test('outside of a provider is an error', async () => {
    const page = await render(
      <Boundary>
        <Page name={name} />
      </Boundary>,
    )
    expect(page.text).toMatch(/<CoweaveProvider>/)
  })
})

describe('useDocument with suspense', () => {
  function Page(): ReactNode {
    const { document, ready } = useDocument(name, { suspense: true })
    return `${ready} ${useText(document, 'text')}`
  }

  test.each([true, false])('waits for the document (strict: %s)', async (isStrict) => {
    write(await openDocument(), 'hello')
    const all = counted()
    const pages = (
      <CoweaveProvider session={all.session}>
        <Suspense fallback="waiting">
          <Page />
        </Suspense>
      </CoweaveProvider>
    )
    const page = await render(isStrict ? <StrictMode>{pages}</StrictMode> : pages)
    expect(page.text).toBe('waiting')
    await shown(() => page.text !== 'waiting')
    expect(page.text, 'ready from its first render on').toMatch(/^true/)
    await shown(() => page.text === 'true hello')
  })

  test('a document that is refused is an error of the component', async () => {
    const session = openSession(server, { tokenOptions: { access: { 'other/**': 'write' } } })
    const page = await render(
      <CoweaveProvider session={session}>
        <Boundary>
          <Suspense fallback="waiting">
            <Page />
          </Suspense>
        </Boundary>
      </CoweaveProvider>,
    )
    await shown(() => page.text !== 'waiting')
    expect(page.text).toMatch(/forbidden/)
  })

  test('waits for the session too, where the provider makes it', async () => {
    const page = await render(
      <StrictMode>
        <CoweaveProvider url={server.url} token={async () => tokenFor('ann')}>
          <Suspense fallback="waiting">
            <Page />
          </Suspense>
        </CoweaveProvider>
      </StrictMode>,
    )
    await shown(() => page.text === 'true ')
  })

  test('a server leaves it to the browser', () => {
    const { window } = globalThis
    Reflect.deleteProperty(globalThis, 'window')
    onTestFinished(() => void Object.assign(globalThis, { window }))
    const all = counted()
    const html = renderToString(
      <CoweaveProvider session={all.session}>
        <Suspense fallback="waiting">
          <Page />
        </Suspense>
      </CoweaveProvider>,
    )
    expect(html).toContain('waiting')
    expect(all.opened).toEqual([])
  })
})

describe('shared types', () => {
  test('are plain values, the same until they change, and render nothing else', async () => {
    const document = await openDocument()
    const seen: { map: unknown[]; array: unknown[]; texts: string[]; sizes: number[] } = {
      map: [],
      array: [],
      texts: [],
      sizes: [],
    }
    const sizeOf = (map: object) => Object.keys(map).length
    function ShownMap(): null {
      seen.map.push(useMap(document, 'map'))
      seen.sizes.push(useMap(document, 'map', sizeOf))
      return null
    }
    function ShownArray(): null {
      seen.array.push(useArray(document, 'array'))
      return null
    }
    function ShownText(): null {
      seen.texts.push(useText(document, 'text'))
      return null
    }
    const { Map: YMap, Array: YArray, Text: YText } = await import('yjs')
    await render(
      <CoweaveProvider session={counted().session}>
        <ShownMap />
        <ShownArray />
        <ShownText />
      </CoweaveProvider>,
    )
    const counts = () => [seen.map.length, seen.array.length, seen.texts.length]
    expect(counts()).toEqual([1, 1, 1])
    const [map, array] = [document.ydoc.getMap('map'), document.ydoc.getArray('array')]
    await act(() =>
      document.ydoc.transact(() => {
        map.set('left', new YMap([['items', YArray.from([1, 2])]]))
        map.set('right', new YMap([['title', new YText('right')]]))
        map.set('__proto__', 'no')
      }),
    )
    expect(counts()).toEqual([2, 1, 1])
    const [empty, first] = seen.map as Record<string, unknown>[]
    expect(empty).toEqual({})
    expect(first).toMatchObject({ left: { items: [1, 2] }, right: { title: 'right' } })
    expect(Object.isFrozen(first?.left)).toBe(true)
    const left = map.get('left')
    if (!(left instanceof YMap)) expect.unreachable()
    await act(() => left.get('items').push([3]))
    const second = seen.map.at(-1) as Record<string, unknown>
    expect(second.left).toEqual({ items: [1, 2, 3] })
    expect(first?.left, 'the former one is as it was').toEqual({ items: [1, 2] })
    expect(second.right, 'what has not changed is the same').toBe(first?.right)
    expect(seen.sizes).toEqual([0, 3, 3])
    await act(() => array.push([{ a: 1 }, new YMap([['b', 2]])]))
    expect(seen.array.at(-1)).toEqual([{ a: 1 }, { b: 2 }])
    await act(() => write(document, 'text'))
    expect(seen.texts).toEqual(['', 'text'])
    expect(counts()).toEqual([3, 2, 2])
    expect(listenersOf(document.ydoc)).toBeGreaterThan(3)
  })
})

describe('useLobby', () => {
  test('shows who is online, and says what one does', async () => {
    const views: LobbyView[] = []
    function Members(): ReactNode {
      const view = useLobby(name)
      views.push(view)
      return view.members.map(({ user, status, activity }) => `${user} ${status} ${activity}`).join()
    }
    const all = counted()
    const page = await render(
      <StrictMode>
        <CoweaveProvider session={all.session}>
          <Members />
        </CoweaveProvider>
      </StrictMode>,
    )
    expect(() => views[0]?.setStatus('busy')).toThrow(/mounted/)
    await shown(() => page.text === 'ann online undefined')
    const ben = openSession(server, { as: 'ben' }).lobby(name)
    ben.setActivity('lunch')
    await shown(() => page.text === 'ann online undefined,ben online lunch')
    await act(() => {
      views.at(-1)?.setStatus('busy')
      views.at(-1)?.setActivity('a call')
    })
    expect(page.text).toBe('ann busy a call,ben online lunch')
    expect(views.at(-1)?.setStatus, 'actions stay the same functions').toBe(views.at(-2)?.setStatus)
    await page.unmount()
    await turn()
    expect(all).toMatchObject({ lobbies: 0, listeners: 0 })
  })
})

describe('useChat', () => {
  let views: ChatView[] = []
  beforeEach(() => {
    views = []
  })

  function Messages({ room }: { room: string | Chat | undefined }): ReactNode {
    const view = useChat(room)
    views.push(view)
    const { typists } = useTyping(view.chat)
    return `${view.ready ? 'ready' : 'wait'} ${view.messages.map(({ text }) => text)} ${typists.map(({ user }) => user)}`
  }

  test('shows a room by its name, and acts in it', async () => {
    const all = counted()
    const room = `chat/${name}`
    const page = await render(
      <StrictMode>
        <CoweaveProvider session={all.session}>
          <Messages room={room} />
        </CoweaveProvider>
      </StrictMode>,
    )
    expect(() => views[0]?.send({ text: 'too early' })).toThrow(/mounted/)
    await shown(() => page.text.startsWith('ready'))
    const ben = openSession(server, { as: 'ben' }).chat(room)
    await act(() => void views.at(-1)?.send({ text: 'hello' }))
    expect(page.text).toContain('hello')
    await shown(() => views.at(-1)?.messages[0]?.seq === 1)
    ben.typing()
    await shown(() => page.text.endsWith(' ben'))
    ben.send({ text: 'hi' })
    await shown(() => page.text.includes('hello,hi'))
    expect(views.at(-1)?.send, 'actions stay the same functions').toBe(views.at(-2)?.send)
    await page.unmount()
    await turn()
    expect(all).toMatchObject({ documents: 0, chats: 0, listeners: 0 })
  })

  test('the chat beside a document opens with its first use', async () => {
    function Page({ isOpen }: { isOpen: boolean }): ReactNode {
      const { chat } = useDocument(name)
      return isOpen ? <Messages room={chat} /> : chat?.room
    }
    const session = openSession(server)
    const pageOf = (isOpen: boolean) => (
      <CoweaveProvider session={session}>
        <Page isOpen={isOpen} />
      </CoweaveProvider>
    )
    const page = await render(pageOf(false))
    await shown(() => page.text === `chat/${name}`)
    const ben = openSession(server, { as: 'ben' }).document(`chat/${name}`)
    await ben.whenSynced
    await turn()
    expect(ben.presence.get().map(({ user }) => user)).toEqual(['ben'])
    await page.rerender(pageOf(true))
    await shown(() => page.text.startsWith('ready'))
    await shown(() => ben.presence.get().length === 2)
  })

  test('a room whose unread count alone is shown does not render with each message', async () => {
    let renders = 0
    function Unread(): ReactNode {
      const { unread } = useChat(`chat/${name}`)
      renders += 1
      return unread
    }
    const { session } = counted()
    const page = await render(
      <CoweaveProvider session={session}>
        <Unread />
      </CoweaveProvider>,
    )
    const mine = session.chat(`chat/${name}`)
    const before = renders
    await act(async () => {
      for (let number = 0; number < 10; number++) mine.send({ text: `${number}` })
      await new Promise<void>((resolve) => {
        mine.state.subscribe(() => {
          if (mine.state.get().messages.at(-1)?.seq === 10) resolve()
        })
      })
    })
    expect(page.text).toBe('0')
    expect(renders).toBe(before)
    const ben = openSession(server, { as: 'ben' }).chat(`chat/${name}`)
    ben.send({ text: 'new' })
    await shown(() => page.text === '1')
    mine.destroy()
  })
})

describe('a provider that makes its session', () => {
  function Status({ onSession }: { onSession?: (session: Session | undefined) => void }): ReactNode {
    onSession?.(useSession())
    const { document } = useDocument(name)
    const presence = usePresence(document)
    return `${useStatus().kind} ${presence.map(({ user }) => user)}`
  }

  test('makes one in StrictMode, and closes it', async () => {
    const cable = await Cable.to(server)
    onTestFinished(() => cable.close())
    const sessions = new Set<Session | undefined>()
    let tokens: string[] = []
    const pageOf = (user: string, url = cable.url) => (
      <StrictMode>
        <CoweaveProvider
          url={url}
          token={async () => {
            tokens = [...tokens, user]
            return tokenFor(user)
          }}
        >
          <Status onSession={(session) => sessions.add(session)} />
        </CoweaveProvider>
      </StrictMode>
    )
    expect(renderToString(pageOf('ann'))).toBe('connecting ')
    sessions.clear()
    const page = await render(pageOf('ann'))
    await shown(() => page.text === 'online ann')
    expect(sessions.size, 'none, and one').toBe(2)
    expect(cable.connections).toBe(1)
    await page.rerender(pageOf('ann'))
    expect(sessions.size, 'another token function makes no other session').toBe(2)
    await page.rerender(pageOf('ann', `${cable.url}/`))
    await shown(() => page.text === 'online ann')
    expect(sessions.size, 'another address does').toBe(3)
    await expect.poll(() => cable.connections).toBe(1)
    await page.unmount()
    await expect.poll(() => cable.connections).toBe(0)
    expect(tokens).toEqual(['ann', 'ann'])
  })
})

test('a provider that is mounted a hundred times leaves no socket behind', async () => {
  const cable = await Cable.to(server)
  onTestFinished(() => cable.close())
  function Page(): ReactNode {
    const { status } = useDocument(name)
    return status.kind
  }
  const page = await render(null)
  const listeners = countedListeners()
  for (let round = 0; round < 100; round++) {
    await page.rerender(
      <StrictMode>
        <CoweaveProvider url={cable.url} token={async () => tokenFor('ann')}>
          <Page />
        </CoweaveProvider>
      </StrictMode>,
    )
    if (round % 20 === 0) await shown(() => page.text === 'online')
    await page.rerender(null)
  }
  await expect.poll(() => cable.connections).toBe(0)
  expect(listeners.count, 'on the window').toBe(0)
})

test('a thousand times mounted and unmounted leaves nothing behind', async () => {
  const cable = await Cable.to(server)
  onTestFinished(() => cable.close())
  const all = new CountedSession(openSession(server, { url: cable.url }))
  const mine = all.session.document(name)
  await mine.whenSynced
  function Page(): ReactNode {
    const { document, chat, presence, unsaved } = useDocument(name)
    const { messages } = useChat(chat)
    const map = useMap(document, 'map')
    const array = useArray(document, 'array')
    useTyping(chat)
    return `${useText(document, 'text')} ${presence.length} ${unsaved} ${messages.length} ${Object.keys(map)} ${array}`
  }
  const page = await render(null)
  const before = { listeners: all.listeners, ydoc: listenersOf(mine.ydoc) }
  for (let round = 0; round < 1_000; round++) {
    await page.rerender(
      <StrictMode>
        <CoweaveProvider session={all.session}>
          <Page />
          <Page />
        </CoweaveProvider>
      </StrictMode>,
    )
    if (round === 0) await shown(() => listenersOf(mine.ydoc) > before.ydoc)
    await page.rerender(null)
  }
  await turn()
  expect(all.opened.length, 'it did open them').toBeGreaterThan(1_000)
  expect(all).toMatchObject({ documents: 1, chats: 0, listeners: before.listeners })
  expect(listenersOf(mine.ydoc)).toBe(before.ydoc)
  expect(cable.connections).toBe(1)
})

/** Counts what is listened to on the window from now on. */
function countedListeners(): { readonly count: number } {
  const counted = { count: 0 }
  const { addEventListener, removeEventListener } = window
  const all = new Set<unknown>()
  const update = () => {
    counted.count = all.size
  }
  window.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    all.add(args[1])
    update()
    addEventListener.apply(window, args)
  }
  window.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    all.delete(args[1])
    update()
    removeEventListener.apply(window, args)
  }
  onTestFinished(() => void Object.assign(window, { addEventListener, removeEventListener }))
  return counted
}

class Boundary extends Component<{ children: ReactNode }, { problem?: string }> {
  override state: { problem?: string } = {}

  static getDerivedStateFromError(error: unknown): { problem: string } {
    return { problem: error instanceof Error ? error.message : String(error) }
  }

  override render(): ReactNode {
    return this.state.problem ?? this.props.children
  }
}
