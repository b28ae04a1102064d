import * as decoding from 'lib0/decoding'
import * as Y from 'yjs'
import { hocuspocus as dialect } from './dialects.ts'
import { editSomewhere, hashOf, textsOf } from './large-document.ts'
import { RawClient } from './raw-client.ts'

/** Where a large document is, and what it shows. */
export interface Place {
  readonly url: string
  readonly token: string
  readonly document: string
}

/** What a process of clients is told, over the channel of child_process.fork. */
export type LargeOrder =
  /** One client with a real replica. */
  | (Place & { readonly order: 'open'; readonly hash: string | undefined })
  /** The client that has opened a document edits it, at a pace. */
  | { readonly order: 'edit'; readonly perSecond: number; readonly ms: number }
  /** Edits at a pace until `edit` is over or `stop`. */
  | { readonly order: 'edit-on'; readonly perSecond: number }
  | { readonly order: 'stop' }
  /** So many clients at once, some of whom are looked at more closely. */
  | (Omit<Place, 'token'> & {
      readonly order: 'join'
      /** Of one user each. */
      readonly tokens: readonly string[]
      readonly checked: number
      readonly hash: string
    })

/** What it answers. */
export type LargeReport =
  | { readonly phase: 'opened'; readonly firstByteMs: number; readonly syncedMs: number }
  /** From each edit to its acknowledgement, ms. */
  | { readonly phase: 'edited'; readonly delays: readonly number[] }
  | { readonly phase: 'editing' }
  | { readonly phase: 'joined'; readonly ms: number }
  | { readonly phase: 'failed'; readonly problem: string }

/** What a server says before it comes to the document: the handshake, and that the token is good. */
const HEAD_BYTES = 1_000
/** An edit that isn't acknowledged by then is lost, ms. */
const PATIENCE_MS = 60_000
/** Of a message that nobody looks at. */
const KEPT_BYTES = 64

let replica: Replica | undefined

process.on('message', (order: LargeOrder) => {
  obey(order).catch((error: unknown) => report({ phase: 'failed', problem: String(error) }))
})

async function obey(order: LargeOrder): Promise<void> {
  switch (order.order) {
    case 'open': {
      replica = await Replica.connect(order)
      const times = await replica.open()
      if (order.hash !== undefined && hashOf(replica.ydoc) !== order.hash) throw new Error('it is another document')
      report({ phase: 'opened', ...times })
      return
    }
    case 'edit':
      await replica?.edit(order.perSecond, order.ms)
      report({ phase: 'edited', delays: (await replica?.delays()) ?? [] })
      return
    case 'edit-on':
      replica?.editOn(order.perSecond)
      report({ phase: 'editing' })
      return
    case 'stop':
      replica?.stop()
      report({ phase: 'edited', delays: (await replica?.delays()) ?? [] })
      return
    case 'join':
      report({ phase: 'joined', ms: await join(order) })
  }
}

/** A client with a Y.Doc that costs nothing besides: what it measures is Yjs and the server. */
class Replica {
  readonly ydoc = new Y.Doc()
  readonly #client: RawClient
  readonly #place: Place
  readonly #delays: number[] = []
  readonly #sentAt: number[] = []
  #editing: NodeJS.Timeout | undefined

  static async connect(place: Place): Promise<Replica> {
    return new Replica(await RawClient.open(place.url + dialect.path(place.document)), place)
  }

  constructor(client: RawClient, place: Place) {
    this.#client = client
    this.#place = place
  }

  async open(): Promise<{ firstByteMs: number; syncedMs: number }> {
    const { document, token } = this.#place
    const client = this.#client
    const startedAt = performance.now()
    const readBefore = client.bytesRead
    let firstByteMs: number | undefined
    const isSmall = Promise.withResolvers<void>()
    client.onData = () => {
      if (client.bytesRead - readBefore > HEAD_BYTES) firstByteMs ??= performance.now() - startedAt
    }
    client.onMessage = (message) => {
      const kind = dialect.read(message)?.kind
      if (kind === 'acknowledgement') this.#acknowledged()
      if (kind !== 'content' && kind !== 'update') return
      Y.applyUpdate(this.ydoc, payloadOf(message), this)
      if (kind === 'content') isSmall.resolve()
    }
    client.send(...dialect.opening(document, token))
    await isSmall.promise
    const syncedMs = performance.now() - startedAt
    this.ydoc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== this) client.send(dialect.update(document, update))
    })
    return { firstByteMs: firstByteMs ?? syncedMs, syncedMs }
  }

  editOn(perSecond: number): void {
    const texts = textsOf(this.ydoc)
    this.#editing = setInterval(() => {
      this.#sentAt.push(performance.now())
      editSomewhere(this.ydoc, texts)
    }, 1_000 / perSecond)
  }

  async edit(perSecond: number, ms: number): Promise<void> {
    this.editOn(perSecond)
    await delay(ms)
    this.stop()
  }

  stop(): void {
    clearInterval(this.#editing)
  }

  /** Of all edits since this was asked last, once they are acknowledged. */
  async delays(): Promise<number[]> {
    const until = performance.now() + PATIENCE_MS
    while (this.#sentAt.length > 0) {
      if (performance.now() > until) throw new Error(`${this.#sentAt.length} edits are not acknowledged`)
      await delay(10)
    }
    return this.#delays.splice(0)
  }

  #acknowledged(): void {
    // Stock acknowledges the answer to its own first sync message as well, before anything was written.
    const sentAt = this.#sentAt.shift()
    if (sentAt !== undefined) this.#delays.push(performance.now() - sentAt)
  }
}

/** ms until all of them have the document. */
async function join({ url, tokens, document, checked, hash }: Extract<LargeOrder, { order: 'join' }>) {
  const connected = await Promise.all(tokens.map(() => RawClient.open(url + dialect.path(document))))
  const kept = connected.slice(0, checked).map((): Uint8Array[] => [])
  const startedAt = performance.now()
  const joined = connected.map((client, index) => {
    const messages = kept[index]
    if (messages === undefined) client.keptBytes = KEPT_BYTES
    return new Promise<number>((resolve, reject) => {
      client.onClose = () => reject(new Error(`a client was cut off: ${client.closeReason}`))
      client.onMessage = (message) => {
        const kind = dialect.read(message)?.kind
        if (kind !== 'content' && kind !== 'update') return
        messages?.push(Uint8Array.from(payloadOf(message)))
        if (kind === 'content') resolve(client.bytesRead)
      }
    })
  })
  for (const [index, client] of connected.entries()) client.send(...dialect.opening(document, tokens[index] ?? ''))
  const read = await Promise.all(joined)
  const ms = performance.now() - startedAt
  const bytes = Math.max(0, ...kept.map((messages) => messages.reduce((sum, { length }) => sum + length, 0)))
  for (const messages of kept) {
    const ydoc = new Y.Doc()
    for (const message of messages) Y.applyUpdate(ydoc, message)
    if (hashOf(ydoc) !== hash) throw new Error('a client was given another document')
  }
  // What the others got is as long, give or take how it was put together.
  if (read.some((each) => each < bytes * 0.9)) throw new Error('a client was given less than the document')
  for (const client of connected) {
    client.onClose = () => {}
    client.close()
  }
  return ms
}

function payloadOf(message: Uint8Array): Uint8Array {
  const decoder = decoding.createDecoder(message)
  decoding.readVarString(decoder)
  decoding.readVarUint(decoder)
  decoding.readVarUint(decoder)
  return decoding.readVarUint8Array(decoder)
}

function report(message: LargeReport): void {
  process.send?.(message)
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
