import 'fake-indexeddb/auto'
import { IDBFactory } from 'fake-indexeddb'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  closeSessions,
  openSession,
  type SessionOptions,
  textOf,
  whenState,
  whenText,
  write,
} from '../support/client-session.ts'
import { startServer, type TestServer } from '../support/server.ts'

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
  vi.stubGlobal('indexedDB', new IDBFactory())
  documents += 1
  name = `offline/${documents}`
})

afterEach(() => {
  closeSessions()
  vi.unstubAllGlobals()
})

/** Where nothing listens: a network that is away. */
const nowhere = { url: 'http://127.0.0.1:9' }

/** A session on a train: the server can't be reached, and no token can be had. */
function openOffline(options: SessionOptions = {}) {
  const token = async () => {
    throw new Error('no network')
  }
  return openSession(server, { user: 'ann', token, ...options })
}

/** Opens the document once with a network, so that there is a copy of it. */
async function visit(text: string, as = 'ann'): Promise<void> {
  const session = openSession(server, { as })
  const document = session.document(name)
  await document.whenSynced
  write(document, text)
  await document.whenSaved()
  await whenState(document.state, ({ kept }) => kept)
  session.close()
}

/** How many rows of updates this device has of all documents. */
async function storedRows(): Promise<number> {
  const rows = (await indexedDB.databases()).map(
    ({ name: database = '' }) =>
      new Promise<number>((resolve, reject) => {
        const request = indexedDB.open(database)
        request.onerror = () => reject(request.error)
        request.onsuccess = () => {
          const { result } = request
          const count = result.objectStoreNames.contains('updates')
            ? result.transaction('updates').objectStore('updates').count()
            : undefined
          result.close()
          if (count === undefined) resolve(0)
          else count.onsuccess = () => resolve(count.result)
        }
      }),
  )
  return (await Promise.all(rows)).reduce((sum, count) => sum + count, 0)
}

describe('a local copy', () => {
  test('takes few rows for many edits, and the last one though the session is closed at once', async () => {
    await visit('')
    const train = openOffline()
    const document = train.document(name)
    await document.whenReady
    for (let edit = 0; edit < 1_200; edit += 1) write(document, 'x')
    await whenState(document.state, ({ unkept }) => unkept === 0)
    await vi.waitFor(async () => expect(await storedRows()).toBeLessThan(20), { timeout: 20_000 })
    write(document, '!')
    train.close()

    const later = openOffline().document(name)
    await later.whenReady
    expect(textOf(later)).toBe(`${'x'.repeat(1_200)}!`)
  })

  test('opens without a network or a token, and takes edits that are sent later', async () => {
    await visit('hello')
    const train = openOffline()
    const document = train.document(name)
    await document.whenReady
    expect(textOf(document)).toBe('hello')
    expect(document.state.get()).toMatchObject({ ready: true, synced: false, kept: true, unsaved: 0 })
    write(document, ' from')
    write(document, ' the train')
    expect(document.unsaved).toBe(2)
    await whenState(document.state, ({ unkept }) => unkept === 0)
    train.close()

    // The browser was closed and opened again.
    const later = openOffline()
    const again = later.document(name)
    await again.whenReady
    expect(textOf(again)).toBe('hello from the train')
    expect(again.unsaved).toBe(2)
    later.close()

    const home = openSession(server, { user: 'ann' }).document(name)
    await home.whenReady
    expect(textOf(home)).toBe('hello from the train')
    await home.whenSaved()
    expect(home.unsaved).toBe(0)
    const other = openSession(server, { as: 'bob', keepLocally: false }).document(name)
    await other.whenSynced
    expect(textOf(other)).toBe('hello from the train')
  })

  test('a document that was never here is not shown as an empty one', async () => {
    const document = openOffline().document(name)
    const { ready, status } = await whenState(document.state, (state) => state.status.kind === 'offline' && state.kept)
    expect({ ready, status: status.kind }).toEqual({ ready: false, status: 'offline' })
  })

  test('what is unsaved is counted across reloads until the server has it', async () => {
    await visit('')
    for (let round = 1; round <= 3; round += 1) {
      const session = openOffline()
      const document = session.document(name)
      await document.whenReady
      expect(document.unsaved).toBe(round - 1)
      write(document, 'x')
      await whenState(document.state, ({ unkept }) => unkept === 0)
      session.close()
    }
    const session = openSession(server)
    const document = session.document(name)
    await document.whenReady
    await document.whenSaved()
    expect(textOf(document)).toBe('xxx')
    session.close()
    const after = openOffline().document(name)
    await after.whenReady
    expect(after.unsaved).toBe(0)
  })

  test('of one user is neither shown to the next one nor sent by them', async () => {
    await visit('of ann')
    const train = openOffline()
    const document = train.document(name)
    await document.whenReady
    write(document, ', and a secret')
    await whenState(document.state, ({ unkept }) => unkept === 0)
    train.close()

    const bobOnTrain = openOffline({ user: 'bob' })
    const none = bobOnTrain.document(name)
    await whenState(none.state, ({ kept, status }) => kept && status.kind === 'offline')
    expect(textOf(none)).toBe('')
    expect(none.state.get().ready).toBe(false)
    bobOnTrain.close()

    const bob = openSession(server, { as: 'bob' }).document(name)
    await bob.whenSynced
    await bob.whenSaved()
    expect(textOf(bob)).toBe('of ann')

    const ann = openSession(server).document(name)
    await ann.whenSynced
    await ann.whenSaved()
    expect(textOf(ann)).toBe('of ann, and a secret')
    await whenText(bob, 'of ann, and a secret')
  })

  test('is not opened before it is known whose it is', async () => {
    await visit('of ann')
    const unknown = openSession(nowhere, {
      token: async () => {
        throw new Error('no network')
      },
    })
    const document = unknown.document(name)
    await whenState(document.state, ({ status }) => status.kind === 'offline')
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(document.state.get().ready).toBe(false)
    expect(textOf(document)).toBe('')
    expect(unknown.user).toBeUndefined()
  })

  test('can be erased with signing out, for this user only', async () => {
    await visit('shared')
    await visit('', 'bob')
    await openSession(server).signOut({ erase: true })
    const names = (await indexedDB.databases()).map((database) => database.name ?? '')
    expect(names.filter((database) => database.includes('/ann/'))).toEqual([])
    expect(names.filter((database) => database.includes('/bob/'))).not.toEqual([])
    const ann = openOffline().document(name)
    await whenState(ann.state, ({ kept, status }) => kept && status.kind === 'offline')
    expect(ann.state.get().ready).toBe(false)
    const bob = openOffline({ user: 'bob' }).document(name)
    await bob.whenReady
    expect(textOf(bob)).toBe('shared')
  })

  test('can be discarded, with the edits that only it has', async () => {
    await visit('kept')
    const document = openSession(server).document(name)
    await document.whenSynced
    const before = document.ydoc
    await document.discardCopy()
    expect(document.ydoc).not.toBe(before)
    await document.whenSynced
    expect(textOf(document)).toBe('kept')
    write(document, ' on')
    await document.whenSaved()
  })
})

describe('where nothing can be kept', () => {
  test('without IndexedDB it works and says so', async () => {
    vi.stubGlobal('indexedDB', undefined)
    const document = openSession(server, { keepLocally: true }).document(name)
    await document.whenSynced
    write(document, 'x')
    await document.whenSaved()
    expect(document.state.get()).toMatchObject({ kept: false, unsaved: 0 })
  })

  test('with storage that refuses it works and says so', async () => {
    vi.stubGlobal('indexedDB', {
      open: () => {
        throw new DOMException('forbidden', 'SecurityError')
      },
    })
    const document = openSession(server, { keepLocally: true }).document(name)
    await document.whenSynced
    expect(document.state.get().kept).toBe(false)
  })
})

describe('several tabs', () => {
  test('see each other’s edits without a network, and each is saved once there is one', async () => {
    await visit('shared ')
    const one = openOffline().document(name)
    const two = openOffline().document(name)
    await Promise.all([one.whenReady, two.whenReady])
    write(one, 'one ')
    await whenText(two, 'shared one ')
    write(two, 'two')
    await whenText(one, 'shared one two')
    expect(one.unsaved).toBe(1)
    expect(two.unsaved).toBe(1)
    closeSessions()

    const online = openSession(server).document(name)
    await online.whenSynced
    await online.whenSaved()
    expect(textOf(online)).toBe('shared one two')
  })

  test('of different users hear nothing of each other', async () => {
    await visit('shared')
    await visit('', 'bob')
    const ann = openOffline().document(name)
    const bob = openOffline({ user: 'bob' }).document(name)
    await Promise.all([ann.whenReady, bob.whenReady])
    write(ann, '!')
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(textOf(bob)).toBe('shared')
  })
})
