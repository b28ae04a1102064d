import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { type Client, openClient, until } from '../support/clients.ts'
import { createRandom, isSoak, type Random, seedsFor } from '../support/random.ts'
import { RawClient } from '../support/raw-client.ts'
import { replayFromLog } from '../support/replay.ts'
import { startServer, type TestServer } from '../support/server.ts'

const document = 'notes/random'
const CLIENTS = 5
const STEPS = isSoak ? 600 : 80
const LETTERS = ['a', 'b', 'ü', '字', '😀', '👩‍🚀', '\n']

/** A stock client that comes and goes, and keeps its Y.Doc meanwhile. */
class Peer {
  ydoc: Y.Doc
  edits = 0
  #client: Client | undefined
  readonly #user: string

  constructor(index: number) {
    this.#user = `user-${index}`
    this.ydoc = new Y.Doc()
    this.ydoc.clientID = 100 * (index + 1)
  }

  toggleConnection(server: TestServer): void {
    if (this.#client === undefined) this.connect(server)
    else this.disconnect()
  }

  connect(server: TestServer): void {
    this.#client ??= openClient(server, document, { ydoc: this.ydoc, user: this.#user })
  }

  /** Resolves once it has what the server had, if it is connected at all. */
  async synced(): Promise<void> {
    await this.#client?.synced()
  }

  disconnect(): void {
    this.#client?.destroy()
    this.#client = undefined
  }

  /** Closes the page and opens it again: a new Y.Doc that begins with what the old one had stored. */
  recreate(server: TestServer): void {
    this.disconnect()
    const kept = Y.encodeStateAsUpdate(this.ydoc)
    const { clientID } = this.ydoc
    this.ydoc.destroy()
    this.ydoc = new Y.Doc()
    this.ydoc.clientID = clientID + 1
    Y.applyUpdate(this.ydoc, kept)
    this.connect(server)
  }

  edit(random: Random): void {
    this.edits += 1
    const { ydoc } = this
    const text = ydoc.getText(random.pick(['text', 'rich']))
    const map = ydoc.getMap('map')
    const list = ydoc.getArray('list')
    random.pick<() => unknown>([
      () => text.insert(boundary(text, random), random.pick(LETTERS).repeat(1 + random.int(3))),
      () => text.insert(boundary(text, random), random.pick(LETTERS)),
      () => deleteText(text, random),
      () => formatText(ydoc.getText('rich'), random),
      () => map.set(`key-${random.int(8)}`, random.int(1000)),
      () => map.set(`nested-${random.int(3)}`, new Y.Map([[`by-${ydoc.clientID}`, random.int(1000)]])),
      () => editNested(map.get(`nested-${random.int(3)}`), random),
      () => map.delete(`key-${random.int(8)}`),
      () => list.insert(random.int(list.length + 1), [`${this.#user} ${this.edits}`, random.int(1000)]),
      () => list.length > 0 && list.delete(random.int(list.length), 1),
    ])()
  }
}

/** Somewhere between two code points, as editors do it: Yjs diverges where surrogate pairs are split. */
function boundary(text: Y.Text, random: Random): number {
  const boundaries = codePointBoundaries(text)
  return random.pick(boundaries)
}

function codePointBoundaries(text: Y.Text): number[] {
  const boundaries = [0]
  let length = 0
  for (const point of text.toString()) {
    length += point.length
    boundaries.push(length)
  }
  return boundaries
}

function range(text: Y.Text, random: Random): { index: number; length: number } {
  const boundaries = codePointBoundaries(text)
  const from = random.int(boundaries.length)
  const to = Math.min(from + random.int(6), boundaries.length - 1)
  const index = boundaries[from] ?? 0
  return { index, length: (boundaries[to] ?? index) - index }
}

function deleteText(text: Y.Text, random: Random): void {
  const { index, length } = range(text, random)
  if (length > 0) text.delete(index, length)
}

function formatText(text: Y.Text, random: Random): void {
  const { index, length } = range(text, random)
  if (length > 0) text.format(index, length, { [random.pick(['bold', 'italic'])]: random.chance(0.6) ? true : null })
}

function editNested(nested: unknown, random: Random): void {
  if (nested instanceof Y.Map) nested.set(`inner-${random.int(4)}`, random.int(1000))
}

function contentOf(ydoc: Y.Doc) {
  return {
    text: ydoc.getText('text').toDelta(),
    rich: ydoc.getText('rich').toDelta(),
    map: ydoc.getMap('map').toJSON(),
    list: ydoc.getArray('list').toJSON(),
  }
}

/** Connects everybody and waits until each replica has everything that any replica had. */
async function settle(peers: readonly Peer[], server: TestServer): Promise<void> {
  for (const peer of peers) peer.connect(server)
  const everything = () => {
    const union = new Y.Doc()
    for (const { ydoc } of peers) Y.applyUpdate(union, Y.encodeStateAsUpdate(ydoc))
    return Y.snapshot(union)
  }
  await until(
    () => {
      const expected = everything()
      return peers.every(({ ydoc }) => Y.equalSnapshots(Y.snapshot(ydoc), expected))
    },
    (check) => {
      for (const { ydoc } of peers) ydoc.on('update', check)
      return () => {
        for (const { ydoc } of peers) ydoc.off('update', check)
      }
    },
  )
}

test.each(seedsFor([1, 20_250], 1))(
  '[promise 2] replicas converge over disconnections, crashes and restarts (rerun with SEED=%i)',
  { timeout: isSoak ? 1_200_000 : 120_000 },
  async (seed) => {
    const random = createRandom(seed)
    let server = await startServer()
    let restarts = 0
    const peers = Array.from({ length: CLIENTS }, (_, index) => new Peer(index))
    for (const peer of peers) peer.connect(server)

    for (let step = 0; step < STEPS; step++) {
      const peer = random.pick(peers)
      const dice = random.int(100)
      if (dice < 70) peer.edit(random)
      else if (dice < 78) peer.toggleConnection(server)
      else if (dice < 82) peer.recreate(server)
      else if (dice < 94) await peer.synced()
      else if (dice < 96) {
        restarts += 1
        if (random.chance(0.5)) await server.kill()
        else expect(await server.stop()).toBe(0)
        // What is written while it is away.
        for (let edits = random.int(10); edits > 0; edits--) random.pick(peers).edit(random)
        server = await server.restart()
      } else await settle([peer, random.pick(peers)], server)
      if (random.chance(0.5)) await setImmediate()
    }

    await settle(peers, server)
    const [expected, ...others] = peers.map(({ ydoc }) => contentOf(ydoc))
    for (const actual of others) expect(actual).toEqual(expected)
    const fresh = await RawClient.open(server, document, { user: 'fresh' })
    expect(contentOf(fresh.ydoc)).toEqual(expected)
    for (const peer of peers) peer.disconnect()
    await fresh.close()
    expect(await server.stop()).toBe(0)
    const replayed = await replayFromLog(server.folder, [document])
    expect(contentOf(replayed[document])).toEqual(expected)

    const edits = peers.reduce((sum, peer) => sum + peer.edits, 0)
    console.log(`SEED=${seed}: ${edits} edits, ${restarts} restarts`)
    expect(edits).toBeGreaterThan(STEPS / 2)
    expect(server.output()).not.toContain('message refused')
  },
)
