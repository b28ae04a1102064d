import { setTimeout } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import type * as Y from 'yjs'
import { messagesOf, openSegmentOf } from '../../model/chat.ts'
import { segmentName } from '../../model/rooms.ts'
import { FakeBrowser } from '../support/browser.ts'
import { Cable } from '../support/cable.ts'
import { closeSessions, whenState } from '../support/client-session.ts'
import { createRandom, isSoak, type Random, seedsFor } from '../support/random.ts'
import { replayFromLog } from '../support/replay.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { RandomTab } from './random-tab.ts'
import { contentOf, Tokens, tokensIn } from './tokens.ts'

const ROUNDS = isSoak ? 1_000 : 30
const SETTLE_EVERY = isSoak ? 100 : 15
const DOCUMENTS = ['notes/one', 'notes/two'] as const
const ROOM = 'chat/notes/one'
const patience = { timeout: 60_000, interval: 100 }

afterEach(() => {
  closeSessions()
  vi.unstubAllGlobals()
})

interface World {
  readonly browser: FakeBrowser
  readonly tabs: readonly RandomTab[]
  readonly cables: readonly Cable[]
  server: TestServer
  kills: number
  reloads: number
  cuts: number
}

test.each(seedsFor([], 1))(
  '[promise 2] clients converge, with every edit once, over cuts, reloads and kills (rerun with SEED=%i)',
  { timeout: isSoak ? 3_600_000 : 180_000 },
  async (seed) => {
    const random = createRandom(seed)
    const world = await begin()
    const startedAt = Date.now()
    await settle(world)
    for (let round = 1; round <= ROUNDS; round++) {
      // However the dice fall, something is said and written, and the server dies once.
      if (round === 1) random.pick(world.tabs).say()
      else if (round === 2) for (const tab of world.tabs) tab.edit(random)
      else if (round === ROUNDS / 2) await restart(world, random)
      else await act(world, random)
      if (round % SETTLE_EVERY === 0) await settle(world)
    }
    await settle(world)
    const { tabs, cables, server } = world
    for (const { cable, session } of tabs) {
      const via = () => {
        world.browser.online()
        const status = session.status.get()
        return status.kind === 'online' && status.via
      }
      // One that tried HTTP while the server was coming back finds out that sockets work as well.
      await expect.poll(via, patience).toBe(cable.blocksSockets ? 'http' : 'socket')
    }
    closeSessions()
    for (const cable of cables) cable.close()
    expect(await server.stop()).toBe(0)
    const edits = tabs.flatMap(({ written }) => [...written.values()].flatMap(({ added }) => added)).length
    const messages = tabs.flatMap(({ sent }) => sent).length
    const seconds = Math.round((Date.now() - startedAt) / 1_000)
    console.log(
      `SEED=${seed}: ${ROUNDS} rounds in ${seconds} s, ${edits} edits, ${messages} messages, ` +
        `${world.cuts} cuts, ${world.reloads} reloads, ${world.kills} kills`,
    )
    await compareWithLog(world)
    expect(edits).toBeGreaterThan(0)
    expect(messages).toBeGreaterThan(0)
  },
)

/** Five tabs on four devices: two are Ann's, on one device; Cem's and Dan's networks let no sockets through. */
async function begin(): Promise<World> {
  const browser = FakeBrowser.install()
  const server = await startServer({ environment: { CHAT_SEGMENT_MESSAGES: '40' } })
  const cables = await Promise.all(['ann', 'ben', 'cem', 'dan'].map(() => Cable.to(server)))
  const [ann, ben, cem, dan] = cables as [Cable, Cable, Cable, Cable]
  cem.blocksSockets = true
  dan.blocksSockets = true
  const tokens = new Tokens()
  const tabs = Object.entries({ ann, 'ann again': ann, ben, cem, dan }).map(([name, cable]) => {
    const [user = name] = name.split(' ')
    return new RandomTab({ user, cable, documents: DOCUMENTS, room: ROOM, tokens })
  })
  return { browser, tabs, cables, server, kills: 0, reloads: 0, cuts: 0 }
}

/** One round. */
async function act(world: World, random: Random): Promise<void> {
  const tab = random.pick(world.tabs)
  const dice = random.int(100)
  if (dice < 50) for (let edits = random.int(5); edits >= 0; edits--) tab.edit(random)
  else if (dice < 62) tab.say()
  else if (dice < 72) toggle(world, random)
  else if (dice < 76) tab.cable.drop()
  else if (dice < 84) {
    world.reloads += 1
    tab.reload()
  } else if (dice < 87) await restart(world, random)
  else if (dice < 93) world.browser.online()
  else await whenCaughtUp(tab)
  // What comes in between is up to the machine; the seed makes it likely to be much the same.
  if (random.chance(0.5)) await setTimeout(random.int(60))
}

function toggle(world: World, random: Random): void {
  const { browser, cables } = world
  world.cuts += 1
  const cable = random.pick(cables)
  if (cable.isCut) {
    cable.mend()
    // Some systems tell the browser; with others only the next try finds out.
    if (random.chance(0.5)) browser.online()
  } else if (random.chance(0.7)) cable.cut()
  else cable.stall()
}

/** Whatever a page was told that the server has is in the log of the killed one. */
async function restart(world: World, random: Random): Promise<void> {
  world.kills += 1
  // Some are on their way when it dies.
  for (const tab of world.tabs) for (let edits = random.int(4); edits > 0; edits--) tab.edit(random)
  await world.server.kill()
  const saved = world.tabs.map(({ written }) => new Map([...written].map(([name, { saved }]) => [name, [...saved]])))
  const replayed = await replayFromLog(world.server.folder, DOCUMENTS)
  const deleted = deletedBy(world.tabs)
  for (const name of DOCUMENTS) {
    const there = new Set(tokensIn(replayed[name]))
    const claimed = saved.flatMap((byName) => byName.get(name) ?? [])
    expect(claimed.filter((token) => !there.has(token) && !deleted.has(token))).toEqual([])
  }
  for (let edits = random.int(10); edits > 0; edits--) random.pick(world.tabs).edit(random)
  world.server = await world.server.restart()
}

/** Waits for the tab to be online, unless its network is cut; where it is stalled, not for long. */
async function whenCaughtUp({ cable, session }: RandomTab): Promise<void> {
  if (cable.isCut) return
  await Promise.race([whenState(session.status, ({ kind }) => kind === 'online'), setTimeout(2_000)])
}

/** Everybody has a network again; resolves once everything of everyone is with everyone, each edit once. */
async function settle({ browser, cables, tabs }: World): Promise<void> {
  for (const cable of cables) cable.mend()
  const hurry = setInterval(() => browser.online(), 500)
  try {
    const deleted = deletedBy(tabs)
    for (const name of DOCUMENTS) {
      const added = tabs.flatMap(({ written }) => written.get(name)?.added ?? [])
      const wanted = added.filter((token) => !deleted.has(token)).sort()
      for (const tab of tabs) {
        await expect.poll(() => tokensIn(tab.document(name).ydoc), patience).toEqual(wanted)
        await expect.poll(() => tab.document(name).unsaved, patience).toBe(0)
      }
      const [first, ...others] = tabs.map((tab) => () => contentOf(tab.document(name).ydoc))
      for (const other of others) await expect.poll(other, patience).toEqual(first?.())
    }
    const texts = tabs.flatMap(({ sent }) => sent)
    for (const { chat } of tabs) {
      await expect.poll(() => chat.state.get().messages.at(-1)?.seq ?? 0, patience).toBe(texts.length)
      await expect.poll(() => chat.state.get().messages.filter(({ seq }) => seq === undefined), patience).toEqual([])
      expect(chat.state.get().problems).toEqual({})
    }
    const views = tabs.map(({ chat }) => chat.state.get().messages)
    const shown = Math.min(...views.map(({ length }) => length))
    for (const view of views) expect(view.slice(-shown)).toEqual(views[0]?.slice(-shown))
  } finally {
    clearInterval(hurry)
  }
}

async function compareWithLog({ server, tabs }: World): Promise<void> {
  const replayed = await replayFromLog(server.folder, [...DOCUMENTS, ROOM])
  for (const name of DOCUMENTS) {
    for (const tab of tabs) expect(contentOf(tab.document(name).ydoc)).toEqual(contentOf(replayed[name]))
  }
  const segments = Array.from({ length: openSegmentOf(replayed[ROOM]) ?? 0 }, (_, index) =>
    segmentName(ROOM, index + 1),
  )
  const documents: Readonly<Record<string, Y.Doc>> = await replayFromLog(server.folder, segments)
  const said = segments.flatMap((segment) => {
    const ydoc = documents[segment]
    return ydoc === undefined ? [] : messagesOf(ydoc).map((message) => String(message.get('text')))
  })
  expect(said.toSorted()).toEqual(tabs.flatMap(({ sent }) => sent).toSorted())
  for (const { sent } of tabs) {
    const own = new Set(sent)
    expect(said.filter((text) => own.has(text))).toEqual(sent)
  }
}

function deletedBy(tabs: readonly RandomTab[]): ReadonlySet<string> {
  return new Set(tabs.flatMap(({ written }) => [...written.values()].flatMap(({ deleted }) => [...deleted])))
}
