import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { WebSocket } from 'ws'
import * as Y from 'yjs'
import { hocuspocus as dialect } from './dialects.ts'
import { parameters } from './parameters.ts'
import { coweave, heldBytes, type Peer, type RunningPeer, residentBytes, stockHocuspocus } from './peers.ts'
import { openProvider } from './provider.ts'
import { RawClient } from './raw-client.ts'
import { median, type Row } from './results.ts'

const { documents, perConnection, together, letters, typists, leftMs, unread, sampleMs, patienceMs } = parameters.memory

/** Bytes. */
interface Measurement {
  readonly atRest: number
  /** Of each document that is open, and of each that was, once everybody has left. */
  readonly open: number
  readonly left: number
  /** By how much the server grew at most while somebody didn't read. */
  readonly unread: number
}

/** What a server holds in memory: at rest, with documents open, after them, and for somebody who doesn't read. */
export async function measureMemory(log: (line: string) => void): Promise<Row[]> {
  const measured = [coweave, stockHocuspocus].map((peer): { peer: Peer; rounds: Measurement[] } => ({
    peer,
    rounds: [],
  }))
  for (let round = 1; round <= parameters.rounds; round += 1) {
    for (const { peer, rounds } of measured) {
      const measurement = await measure(peer)
      rounds.push(measurement)
      log(`memory, round ${round}, ${peer.name}: ${JSON.stringify(measurement)}`)
    }
  }
  const row = (what: string, pick: (measurement: Measurement) => number): Row => {
    const [ours = Number.NaN, theirs = Number.NaN] = measured.map(({ rounds }) => median(rounds.map(pick)))
    return { measure: `memory, ${what}`, ours, theirs }
  }
  return [
    row('at rest: MB', ({ atRest }) => atRest / 1e6),
    row(`${documents} documents of ${letters} letters open: bytes each`, ({ open }) => open),
    row(`${documents} documents, after everybody has left: bytes each`, ({ left }) => left),
    row(`a client that doesn't read ${unread.bytes / 1e6} MB: growth, MB`, (measurement) => measurement.unread / 1e6),
  ]
}

async function measure(peer: Peer): Promise<Measurement> {
  const server = await peer.start()
  try {
    const atRest = await heldBytes(server.pid)
    const { open, left } = await measureDocuments(server, atRest)
    return { atRest, open: open / documents, left: left / documents, unread: await measureUnread(server) }
  } finally {
    await server.stop()
  }
}

/** By how much more than `atRest` the server holds with documents open, and once all are left. */
async function measureDocuments(server: RunningPeer, atRest: number) {
  const text = typedText()
  const clients: RawClient[] = []
  for (let first = 0; first < documents; first += perConnection) {
    const client = await RawClient.open(server.url)
    clients.push(client)
    for (let from = first; from < first + perConnection; from += together) {
      const names = Array.from({ length: together }, (_, index) => `bench/${from + index}`)
      await write(client, names, { token: server.token, text })
    }
  }
  const open = (await heldBytes(server.pid)) - atRest
  for (const client of clients) client.close()
  await setTimeout(leftMs)
  return { open, left: (await heldBytes(server.pid)) - atRest }
}

/** Opens documents and writes them. Resolves once each of them is acknowledged. */
function write(
  client: RawClient,
  names: readonly string[],
  { token, text }: { readonly token: string; readonly text: Uint8Array },
): Promise<void> {
  return new Promise((resolve, reject) => {
    let acknowledged = 0
    client.onClose = () => reject(new Error(`the server closed: ${client.closeReason}`))
    client.onMessage = (message) => {
      const kind = dialect.read(message)?.kind
      if (kind === 'acknowledgement') acknowledged += 1
      if (acknowledged < names.length) return
      client.onClose = () => {}
      resolve()
    }
    for (const name of names) client.send(...dialect.opening(name, token), dialect.update(name, text))
  })
}

/** A text that some have typed together, a few letters each in turn, as one update. */
function typedText(): Uint8Array {
  const ydoc = new Y.Doc()
  const text = ydoc.getText('text')
  for (let typed = 0; typed < letters; typed += 1) {
    ydoc.clientID = 1_000_000_000 + (Math.floor(typed / 10) % typists)
    text.insert(typed, 'a')
  }
  return Y.encodeStateAsUpdate(ydoc)
}

/** By how much the server grows at most while a client stops reading and another one writes. */
async function measureUnread(server: RunningPeer): Promise<number> {
  const name = 'bench/unread'
  const reader = await stoppedReader(server, name)
  const before = await heldBytes(server.pid)
  let most = before
  const sampling = setInterval(() => {
    most = Math.max(most, residentBytes(server.pid))
  }, sampleMs)
  const writer = await openProvider(server, name)
  try {
    const map = writer.document.getMap('map')
    const until = performance.now() + patienceMs
    for (let written = 0; written < unread.bytes; written += unread.perUpdate) {
      map.set('value', randomBytes(unread.perUpdate / 2).toString('hex'))
      while (writer.unsyncedChanges >= unread.window) {
        if (performance.now() > until) throw new Error('the writer is not acknowledged')
        await setTimeout(1)
      }
    }
    // A figure counts only if whoever comes later has what was not read.
    const later = await openProvider(server, name)
    if (later.document.getMap('map').get('value') !== map.get('value')) throw new Error('the last value is not there')
    later.destroy()
    return most - before
  } finally {
    clearInterval(sampling)
    writer.destroy()
    reader.terminate()
  }
}

/** A client that has opened the document and reads nothing more. */
async function stoppedReader({ url, token }: RunningPeer, name: string): Promise<WebSocket> {
  const reader = new WebSocket(url)
  await new Promise((resolve) => reader.once('open', resolve))
  for (const message of dialect.opening(name, token)) reader.send(message)
  await new Promise<void>((resolve) => {
    reader.on('message', (message: Buffer) => {
      if (dialect.read(message)?.kind === 'content') resolve()
    })
  })
  reader.pause()
  return reader
}
