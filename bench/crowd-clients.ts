import { setTimeout as delay } from 'node:timers/promises'
import * as Y from 'yjs'
import { hocuspocus, yWebsocket } from './dialects.ts'
import { tokenFor } from './peers.ts'
import { RawClient } from './raw-client.ts'
import { presenceOf } from './shown-presence.ts'

/** Which server, and which of its documents. */
export interface CrowdPlace {
  readonly url: string
  readonly dialect: 'hocuspocus' | 'y-websocket'
  readonly document: string
}

/** What one process of clients is told, over the channel of child_process.fork. */
export type CrowdOrder =
  /** So many clients open the document, and show presence so often. */
  | {
      readonly order: 'join'
      readonly place: CrowdPlace
      readonly clients: number
      readonly first: number
      readonly presencePerSecond: number
    }
  /** Some of them write, together so often, until `end`. */
  | { readonly order: 'write'; readonly writers: number; readonly perSecond: number }
  /** Notes how long what is sent from now on takes to get here. */
  | { readonly order: 'measure'; readonly ms: number }
  /** Reports once all its clients have the last edit. */
  | { readonly order: 'await end' }
  /** Writes the last edit. */
  | { readonly order: 'end' }

/** What it answers. */
export type CrowdReport =
  | { readonly phase: 'joined' }
  | { readonly phase: 'writing' }
  | {
      readonly phase: 'measured'
      /** Edits that were sent in that time. */
      readonly written: number
      /** From an edit, or a change of presence, until one of the clients here had it, ms. */
      readonly edits: readonly number[]
      readonly presence: readonly number[]
    }
  | { readonly phase: 'awaiting' }
  | { readonly phase: 'ended'; readonly written: number; readonly seen: number }

const JOIN_TOGETHER = 50
/** A server that knows nothing of documents never answers. */
const ANSWER_MS = 2_000
/** How long the last edit may take. */
const PATIENCE_MS = 60_000
const END = '<the end>'

interface Person {
  readonly client: RawClient
  readonly ydoc: Y.Doc
  /** Edits that came. */
  seen: number
  hasEnd: boolean
}

const people: Person[] = []
const edits: Delays = []
const presence: Delays = []
let place: CrowdPlace | undefined
let isNoting = false
let writing: NodeJS.Timeout | undefined
let written = 0
let turn = 0
let writers = 0

/** When it was sent, µs, and how long it took, ms. */
type Delays = { readonly sentAt: number; readonly ms: number }[]

process.on('message', (order: CrowdOrder) => {
  obey(order).catch((error: unknown) => process.send?.({ phase: 'failed', problem: String(error) }))
})

async function obey(order: CrowdOrder): Promise<void> {
  switch (order.order) {
    case 'join':
      place = order.place
      for (let from = 0; from < order.clients; from += JOIN_TOGETHER) {
        const indices = Array.from(
          { length: Math.min(JOIN_TOGETHER, order.clients - from) },
          (_, index) => from + index,
        )
        await Promise.all(indices.map((index) => join(order.place, order.first + index)))
      }
      if (order.presencePerSecond > 0) for (const person of people) showPresence(person, order.presencePerSecond)
      report({ phase: 'joined' })
      return
    case 'write':
      writers = order.writers
      startWriting(order.perSecond)
      report({ phase: 'writing' })
      return
    case 'measure':
      report(await measure(order.ms))
      return
    case 'await end':
      report({ phase: 'awaiting' })
      await end()
      report({ phase: 'ended', written, seen: Math.min(...people.map(({ seen }) => seen)) })
      return
    case 'end':
      clearInterval(writing)
      write(END)
      await end()
      report({ phase: 'ended', written, seen: Math.min(...people.map(({ seen }) => seen)) })
  }
}

async function join({ url, dialect, document }: CrowdPlace, index: number): Promise<void> {
  const speaks = dialect === 'hocuspocus' ? hocuspocus : yWebsocket
  const client = await RawClient.open(url + speaks.path(document))
  const ydoc = new Y.Doc()
  const person: Person = { client, ydoc, seen: 0, hasEnd: false }
  ydoc.on('update', (update: Uint8Array) => client.send(speaks.update(document, update)))
  await new Promise<void>((resolve) => {
    client.onMessage = (message) => {
      if (speaks.read(message)?.kind === 'content') resolve()
    }
    client.send(...speaks.opening(document, tokenFor(`person-${index}`)))
    setTimeout(resolve, ANSWER_MS).unref()
  })
  client.onMessage = (message) => take(person, message)
  people.push(person)
}

function take(person: Person, message: Buffer): void {
  if (message.includes(END)) person.hasEnd = true
  if (!isNoting) return
  const now = micros()
  const text = message.toString('latin1')
  for (const [, sentAt] of text.matchAll(/<(\d{15})>/g)) {
    person.seen += 1
    edits.push({ sentAt: Number(sentAt), ms: (now - Number(sentAt)) / 1000 })
  }
  for (const [, sentAt] of text.matchAll(/"t":"(\d{15})"/g)) {
    presence.push({ sentAt: Number(sentAt), ms: (now - Number(sentAt)) / 1000 })
  }
}

function startWriting(perSecond: number): void {
  isNoting = true
  const startedAt = performance.now()
  let count = 0
  writing = setInterval(() => {
    const due = ((performance.now() - startedAt) / 1000) * perSecond
    for (; count < due; count += 1) write(`<${micros()}>`)
  }, 1)
}

/** The writers take turns. */
function write(text: string): void {
  const person = people[turn % writers]
  turn += 1
  if (person === undefined) throw new Error('nobody is here to write')
  const target = person.ydoc.getText('text')
  written += 1
  target.insert(target.length, text)
}

async function measure(ms: number): Promise<CrowdReport> {
  const [from, before] = [micros(), written]
  await delay(ms)
  const [until, after] = [micros(), written]
  // What is on its way counts when it comes; `await end` tells that all has come.
  await delay(Math.min(5_000, ms))
  const within = (delays: Delays) =>
    delays.filter(({ sentAt }) => sentAt >= from && sentAt < until).map((measured) => measured.ms)
  return { phase: 'measured', written: after - before, edits: within(edits), presence: within(presence) }
}

async function end(): Promise<void> {
  const startedAt = performance.now()
  while (!people.every((person) => person.hasEnd || isWriterOfEnd(person))) {
    if (performance.now() - startedAt > PATIENCE_MS) throw new Error('the last edit did not come to everybody')
    await delay(20)
  }
}

/** Nobody gets their own. */
function isWriterOfEnd({ ydoc }: Person): boolean {
  return ydoc.getText('text').toString().endsWith(END)
}

function showPresence({ client, ydoc }: Person, perSecond: number): void {
  if (place === undefined) return
  const { document, dialect } = place
  const speaks = dialect === 'hocuspocus' ? hocuspocus : yWebsocket
  const at = { type: null, tname: 'prosemirror', item: { client: ydoc.clientID, clock: 17 }, assoc: 0 }
  const cursor = { anchor: at, head: at }
  const shown = { client, dialect: speaks, document, clientId: ydoc.clientID }
  const show = presenceOf(shown, () => ({ cursor, t: String(micros()) }))
  setTimeout(() => setInterval(show, 1000 / perSecond), (Math.random() * 1000) / perSecond)
}

/** On the clock that all processes of the machine share, in 15 digits. */
function micros(): number {
  return 100_000_000_000_000 + Number(process.hrtime.bigint() / 1000n)
}

function report(message: CrowdReport): void {
  process.send?.(message)
}
