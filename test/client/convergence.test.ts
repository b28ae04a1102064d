import 'fake-indexeddb/auto'
import { IDBFactory } from 'fake-indexeddb'
import { afterEach, expect, test, vi } from 'vitest'
import type { CollaborativeDocument, Session } from '../../client/api.ts'
import { type BlockingProxy, startBlockingProxy } from '../support/blocking-proxy.ts'
import { closeSessions, openSession, textOf, write } from '../support/client-session.ts'
import { createRandom, isSoak, type Random, seedsFor } from '../support/random.ts'
import { startServer, type TestServer } from '../support/server.ts'

const NAME = 'convergence/one'
const STEPS = isSoak ? 200 : 40

let server: TestServer | undefined
const proxies: BlockingProxy[] = []

afterEach(async () => {
  closeSessions()
  for (const proxy of proxies.splice(0)) proxy.close()
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
  await server?.stop()
  server = undefined
})

/** One tab of one user; those of one browser share its network. */
class Tab {
  readonly #user: string
  readonly #proxy: BlockingProxy
  #session: Session | undefined
  #document: CollaborativeDocument | undefined

  constructor(user: string, proxy: BlockingProxy) {
    this.#user = user
    this.#proxy = proxy
    this.open()
  }

  get document(): CollaborativeDocument {
    if (this.#document === undefined) throw new Error('the tab is closed')
    return this.#document
  }

  open(): void {
    this.#session = openSession(this.#proxy, { as: this.#user, user: this.#user })
    this.#document = this.#session.document(NAME)
  }

  async reload(): Promise<void> {
    await storageIsWritten()
    this.#session?.close()
    this.open()
    await this.document.whenReady
  }

  toggleNetwork(): void {
    this.#proxy.isCut = !this.#proxy.isCut
  }

  reconnect(): void {
    if (this.#proxy.isCut) this.toggleNetwork()
  }
}

/** Resolves once what was written into local copies so far is committed: transactions wait for those before them. */
async function storageIsWritten(): Promise<void> {
  const databases = await indexedDB.databases()
  for (const { name } of databases) {
    if (name === undefined || !name.endsWith(NAME)) continue
    await new Promise<void>((resolve, reject) => {
      const request = indexedDB.open(name)
      request.onerror = () => reject(request.error)
      request.onsuccess = () => {
        const transaction = request.result.transaction('updates', 'readwrite')
        transaction.oncomplete = () => {
          request.result.close()
          resolve()
        }
        transaction.objectStore('updates').count()
      }
    })
  }
}

async function run(random: Random): Promise<void> {
  let running = await startServer()
  server = running
  const tabs: Tab[] = []
  for (const user of ['ann', 'bob', 'carol']) {
    const proxy = await startBlockingProxy(running.port)
    proxy.blocksSockets = random.chance(0.25)
    proxies.push(proxy)
    tabs.push(new Tab(user, proxy))
    // Two tabs in one browser.
    if (user === 'ann') tabs.push(new Tab(user, proxy))
  }
  await Promise.all(tabs.map(({ document }) => document.whenSynced))
  const edits: string[] = []
  const acknowledged = new Set<string>()

  const edit = () => {
    const tab = random.pick(tabs)
    const mark = `<${edits.length}>`
    edits.push(mark)
    write(tab.document, mark)
    tab.document.whenSaved().then(
      () => acknowledged.add(mark),
      // The tab was reloaded before.
      () => {},
    )
  }
  for (let step = 0; step < STEPS; step += 1) {
    await random.pick<() => unknown>([
      edit,
      edit,
      edit,
      edit,
      () => random.pick(tabs).toggleNetwork(),
      () => random.pick(tabs).reload(),
      () => new Promise((resolve) => setTimeout(resolve, random.int(150))),
      async () => {
        if (!random.chance(0.3)) return
        await running.kill()
        running = await running.restart()
        server = running
      },
    ])()
    if (random.chance(0.1)) {
      // What anybody was told is saved must be there for somebody who has never seen it.
      const told = [...acknowledged]
      const session = openSession(running, { as: 'dora', keepLocally: false })
      const fresh = session.document(NAME)
      await fresh.whenSynced
      const text = textOf(fresh)
      session.close()
      expect(told.filter((mark) => !text.includes(mark))).toEqual([])
    }
  }
  for (const tab of tabs) tab.reconnect()
  await Promise.all(tabs.map(({ document }) => document.whenSynced))
  await Promise.all(tabs.map(({ document }) => document.whenSaved()))
  const session = openSession(running, { as: 'dora', keepLocally: false })
  const fresh = session.document(NAME)
  await fresh.whenSynced
  const expected = textOf(fresh)
  for (const mark of edits) expect(expected.split(mark)).toHaveLength(2)
  for (const { document } of tabs) {
    await vi.waitFor(() => expect(textOf(document)).toBe(expected), { timeout: 20_000 })
    expect(document.unsaved).toBe(0)
  }
  expect(edits.length).toBeGreaterThan(0)
}

test.each(seedsFor([1], 2))(
  '[promise 2] tabs converge through reloads, lost networks and crashes (SEED=%i)',
  async (seed) => {
    vi.stubGlobal('indexedDB', new IDBFactory())
    // The shortest waits, so that the test takes no longer than it must.
    vi.spyOn(Math, 'random').mockReturnValue(0)
    await run(createRandom(seed))
  },
  120_000,
)
