import { randomInt } from 'node:crypto'
import { outdatedTimeout } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { type BenchDialect, hocuspocus, yWebsocket } from './dialects.ts'
import { tokenFor } from './peers.ts'
import { RawClient } from './raw-client.ts'
import { presenceOf } from './shown-presence.ts'

/** What one process of a throng is told, over the channel of child_process.fork. */
export type ThrongOrder =
  | ({ readonly order: 'open' } & ThrongPart)
  /** How many are still connected? */
  | { readonly order: 'count' }
  | ({ readonly order: 'talk' } & Talk)

/** Clients `from` to `until` of a throng, spread over `documents`, each with a user of its own. */
export interface ThrongPart {
  readonly url: string
  readonly name: string
  readonly speaks: keyof typeof dialects
  readonly documents: number
  readonly from: number
  readonly until: number
  /** So many connect at the same time. */
  readonly together: number
  /** Whether they show presence, as editors do. */
  readonly isPresent: boolean
}

/** So long, edits of clients of the throng in turn, and newcomers who open a document and leave again, so many a second. */
export interface Talk {
  readonly editsPerSecond: number
  readonly newcomersPerSecond: number
  readonly measuredMs: number
  /** What has not arrived by then is lost, ms. */
  readonly patienceMs: number
}

/** What it answers. */
export type ThrongReport =
  /** How long each took from the first packet until it had what its document holds, ms. */
  | { readonly phase: 'open'; readonly times: readonly number[] }
  | { readonly phase: 'counted'; readonly open: number }
  /** The edits of this process are sent, and its newcomers were served. */
  | { readonly phase: 'talked'; readonly sent: number; readonly seconds: number; readonly times: readonly number[] }
  /** Of the edits of all processes: how long each took to each of the others of its document, ms. */
  | { readonly phase: 'heard'; readonly delays: readonly number[] }
  | { readonly phase: 'failed'; readonly problem: string }

const dialects = { hocuspocus, 'y-websocket': yWebsocket, nothing: undefined }
/** How often edits are sent, ms. */
const STEP_MS = 5
/** Clients of one process that edit. */
const WRITERS = 100
/** Stands in each edit before the time when it was made. */
const MARK = 'made@'
const STAMP_LENGTH = 19
/** How often clients renew their presence, as y-protocols does. */
const RENEWAL_MS = outdatedTimeout / 2

interface Member {
  readonly client: RawClient
  readonly document: string
}

const members: Member[] = []
const delays: number[] = []
let part: ThrongPart | undefined
let open = 0

process.on('message', (order: ThrongOrder) => {
  obey(order).catch((error: unknown) => report({ phase: 'failed', problem: String(error) }))
})

async function obey(order: ThrongOrder): Promise<void> {
  switch (order.order) {
    case 'open':
      report({ phase: 'open', times: await openAll(order) })
      return
    case 'count':
      report({ phase: 'counted', open })
      return
    case 'talk': {
      if (part === undefined) throw new Error('nobody is there to talk')
      const [talked, times] = await Promise.all([talk(part, order), receiveNewcomers(part, order)])
      report({ phase: 'talked', ...talked, times })
      await heardAll(order)
      report({ phase: 'heard', delays })
      delays.length = 0
    }
  }
}

async function openAll(opened: ThrongPart): Promise<number[]> {
  part = opened
  const { name, documents, from, until, together } = opened
  const throng = Array.from({ length: until - from }, (_, index) => {
    const user = `${name}-${from + index}`
    return { document: documentOf(name, (from + index) % documents), token: tokenFor(user) }
  })
  const times: number[] = []
  const queue = throng.values()
  await Promise.all(
    Array.from({ length: together }, async () => {
      for (const { document, token } of queue) {
        const { client, show, ms } = await openOne(opened, document, token)
        open += 1
        client.onClose = () => {
          open -= 1
        }
        client.onMessage = (message) => hear(message)
        members.push({ client, document })
        if (show !== undefined) setInterval(show, RENEWAL_MS)
        times.push(ms)
      }
    }),
  )
  return times
}

/**
 * Resolves once the client has what the document holds; where nothing is spoken, once it is connected. It says what stock
 * providers say: who it is, what it lacks, that it is there, and that it has nothing the server lacks.
 */
async function openOne(
  { url, speaks, isPresent }: ThrongPart,
  document: string,
  token: string,
): Promise<{ readonly client: RawClient; readonly show?: () => void; readonly ms: number }> {
  const dialect: BenchDialect | undefined = dialects[speaks]
  const startedAt = performance.now()
  const client = await RawClient.open(`${url}${dialect?.path(document) ?? `/${document}`}`)
  if (dialect === undefined) return { client, ms: performance.now() - startedAt }
  const show = isPresent ? presenceOf({ client, dialect, document, clientId: randomInt(2 ** 32) }) : undefined
  await new Promise<void>((resolve, reject) => {
    client.onClose = () => reject(new Error(`${document} was closed instead of opened`))
    let [hasAll, hasAnswered] = [false, false]
    client.onMessage = (message) => {
      const kind = dialect.read(message)?.kind
      if (kind === 'question') client.send(dialect.answer(document))
      hasAnswered ||= kind === 'question'
      hasAll ||= kind === 'content'
      if (hasAll && hasAnswered) resolve()
    }
    client.send(...dialect.opening(document, token))
    show?.()
  })
  return { client, ...(show && { show }), ms: performance.now() - startedAt }
}

/** Notes when edits of others come: stock Hocuspocus sends everybody their own as well. */
function hear(message: Buffer, own?: ReadonlySet<string>): void {
  for (let at = message.indexOf(MARK); at !== -1; at = message.indexOf(MARK, at + MARK.length)) {
    const start = at + MARK.length
    const stamp = message.toString('latin1', start, start + STAMP_LENGTH)
    if (own?.has(stamp) !== true) delays.push(now() - Number(stamp))
  }
}

async function talk({ speaks }: ThrongPart, { editsPerSecond, measuredMs }: Talk) {
  const dialect = dialects[speaks]
  if (dialect === undefined) throw new Error('who speaks nothing can not talk')
  const step = Math.max(1, Math.floor(members.length / WRITERS))
  const writers = members.filter((_member, index) => index % step === 0).map((member) => writerOf(member, dialect))
  const startedAt = performance.now()
  let sent = 0
  while (performance.now() - startedAt < measuredMs) {
    const due = Math.floor(((performance.now() - startedAt) / 1_000) * editsPerSecond)
    for (; sent < due; sent += 1) writers[sent % writers.length]?.()
    await delay(STEP_MS)
  }
  return { sent, seconds: (performance.now() - startedAt) / 1_000 }
}

/** What makes and sends one edit of a client. */
function writerOf({ client, document }: Member, dialect: BenchDialect): () => void {
  const ydoc = new Y.Doc()
  const text = ydoc.getText('text')
  const own = new Set<string>()
  ydoc.on('update', (update: Uint8Array) => client.send(dialect.update(document, update)))
  client.onMessage = (message) => hear(message, own)
  return () => {
    const stamp = now().toFixed(6).padStart(STAMP_LENGTH, '0')
    own.add(stamp)
    text.insert(0, `${MARK}${stamp}`)
  }
}

async function receiveNewcomers(opened: ThrongPart, { newcomersPerSecond, measuredMs }: Talk): Promise<number[]> {
  const newcomers: Promise<number>[] = []
  const everyMs = 1_000 / newcomersPerSecond
  const startedAt = performance.now()
  while (performance.now() - startedAt < measuredMs) {
    await delay(startedAt + newcomers.length * everyMs - performance.now())
    newcomers.push(receiveNewcomer(opened, newcomers.length))
  }
  return Promise.all(newcomers)
}

async function receiveNewcomer(opened: ThrongPart, index: number): Promise<number> {
  const document = documentOf(opened.name, (opened.from + index) % opened.documents)
  const { client, ms } = await openOne(opened, document, tokenFor(`newcomer-${opened.from + index}`))
  client.onMessage = () => {}
  client.close()
  return ms
}

/** Resolves once nothing has come for a while. */
async function heardAll({ patienceMs }: Talk): Promise<void> {
  const until = performance.now() + patienceMs
  for (let before = -1; before !== delays.length && performance.now() < until; await delay(1_000))
    before = delays.length
}

function documentOf(name: string, index: number): string {
  return `bench/${name}-${index}`
}

/** On a clock that all processes share, ms. */
function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

function report(message: ThrongReport): void {
  process.send?.(message)
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)))
}
