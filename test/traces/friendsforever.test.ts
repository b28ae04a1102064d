import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { type Client, openClient, whenDocument } from '../support/clients.ts'
import { RawClient } from '../support/raw-client.ts'
import { replayFromLog } from '../support/replay.ts'
import { startServer } from '../support/server.ts'
import { applyPatches, type ConcurrentTrace, readTrace, tracesMissing } from '../support/traces.ts'

const document = 'stories/friends-forever'

/** How many transactions of each agent a transaction was made on, its own included. */
type Version = readonly number[]

/**
 * One writer. Its transactions are made on a replica that has exactly the history they were made on, and then put
 * into the replica that is connected to the server, once everything they build on has arrived there over the wire.
 */
class Writer {
  readonly client: Client
  readonly #exact = new Y.Doc()
  readonly #clientId: number
  /** What each of its transactions changed, and the clock it ended at. */
  readonly updates: Uint8Array[] = []
  readonly clocks: number[] = [0]
  /** How many transactions of each writer are in #exact. */
  readonly #version: number[]

  constructor(client: Client, agent: number, agents: number) {
    this.client = client
    this.#clientId = agent + 1
    this.#exact.clientID = this.#clientId
    this.#version = new Array<number>(agents).fill(0)
    this.#exact.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== 'other') this.updates.push(update)
    })
  }

  async write(patches: ConcurrentTrace['txns'][number]['patches'], version: Version, writers: readonly Writer[]) {
    for (const [agent, other] of writers.entries()) {
      if (other === this) continue
      const needed = version[agent] ?? 0
      await this.#whenHere(other, needed)
      for (let next = this.#version[agent] ?? 0; next < needed; next++) {
        const update = other.updates[next]
        if (update === undefined) throw new Error('arrived before it was written')
        Y.applyUpdate(this.#exact, update, 'other')
      }
      this.#version[agent] = Math.max(needed, this.#version[agent] ?? 0)
    }
    applyPatches(this.#exact.getText('text'), patches)
    const update = this.updates.at(-1)
    if (update === undefined) throw new Error('a transaction that changed nothing')
    this.clocks.push(Y.getState(this.#exact.store, this.#clientId))
    Y.applyUpdate(this.client.ydoc, update)
  }

  /** Resolves once the first `count` transactions of `other` have come over the wire. */
  async #whenHere(other: Writer, count: number): Promise<void> {
    const { store } = this.client.ydoc
    const isHere = () => {
      const clock = other.clocks[count]
      return clock !== undefined && Y.getState(store, other.#clientId) >= clock
    }
    if (!isHere()) await whenDocument(this.client.ydoc, isHere)
  }
}

test('[promise 2] two people writing at the same time end in the text they wrote', { timeout: 300_000 }, async ({
  skip,
}) => {
  const trace = readTrace<ConcurrentTrace>('friendsforever')
  if (trace === undefined) return skip(tracesMissing)
  const { txns, numAgents, endContent } = trace
  const versions = versionsOf(trace)

  let server = await startServer()
  const agents = Array.from({ length: numAgents }, (_, agent) => agent)
  const writers = await Promise.all(
    agents.map(async (agent) => {
      const client = openClient(server, document, { user: `writer-${agent}` })
      await client.synced()
      return new Writer(client, agent, numAgents)
    }),
  )
  await Promise.all(
    writers.map(async (writer, agent) => {
      for (const [index, txn] of txns.entries()) {
        if (txn.agent === agent) await writer.write(txn.patches, versions[index] ?? [], writers)
      }
    }),
  )
  for (const { client } of writers) {
    await client.saved()
    const isComplete = () => client.text.length === endContent.length && client.text.toString() === endContent
    await whenDocument(client.ydoc, isComplete)
  }
  const fresh = await RawClient.open(server, document, { user: 'cleo' })
  expect(fresh.ydoc.getText('text').toString()).toBe(endContent)

  await fresh.close()
  for (const { client } of writers) client.destroy()
  expect(await server.stop()).toBe(0)
  server = await server.restart()
  const cold = await RawClient.open(server, document, { user: 'dora' })
  expect(cold.ydoc.getText('text').toString()).toBe(endContent)
  await cold.close()
  expect(await server.stop()).toBe(0)
  const replayed = await replayFromLog(server.folder, [document])
  expect(replayed[document].getText('text').toString()).toBe(endContent)
})

/** The history of each transaction, as how many transactions of each agent are in it, itself left out. */
function versionsOf({ txns, numAgents }: ConcurrentTrace): Version[] {
  const before: Version[] = []
  const after: number[][] = []
  const written = new Array<number>(numAgents).fill(0)
  for (const { parents, agent } of txns) {
    const version = new Array<number>(numAgents).fill(0)
    for (const parent of parents) {
      after[parent]?.forEach((count, other) => {
        version[other] = Math.max(version[other] ?? 0, count)
      })
    }
    // Nobody ever wrote on a state that lacks something of his own: one replica each is enough.
    expect(version[agent]).toBe(written[agent])
    before.push([...version])
    version[agent] = written[agent] = (written[agent] ?? 0) + 1
    after.push(version)
  }
  return before
}
