import * as Y from 'yjs'
import type { ArchivedMessage } from '../../persistence/message-store.ts'
import type { LogRow, NewUpdate, StoredDocument, UpdateLog } from '../../persistence/update-log.ts'
import { createRandom } from '../support/random.ts'

/** An update of any bytes, for tests that never make a Y.Doc of it. */
export function update(document: string, text: string, options: Partial<NewUpdate> = {}): NewUpdate {
  return { document, at: 1_700_000_000_000, author: 'ann', data: Buffer.from(text), clients: [], ...options }
}

/** A stamped chat message, with an id made from its `seq`. */
export function archived(room: string, seq: number, text: string, fields: object = {}): ArchivedMessage {
  const id = `id-${seq}`
  const message = { id, author: 'ann', at: 1_700_000_000_000, text, seq, receivedAt: 1_700_000_000_001, ...fields }
  return { room, seq, id, json: JSON.stringify(message) }
}

/** Types into a Y.Doc of its own, with a fixed client id, and hands out each Yjs update. */
export class Typist {
  readonly doc = new Y.Doc()
  readonly #document: string
  readonly #made: Uint8Array[] = []

  constructor(document: string, clientId = 1) {
    this.doc.clientID = clientId
    this.doc.on('update', (data: Uint8Array) => this.#made.push(data))
    this.#document = document
  }

  get text(): string {
    return this.doc.getText('text').toString()
  }

  type(text: string, index = this.doc.getText('text').length): NewUpdate {
    return this.edit(() => this.doc.getText('text').insert(index, text))
  }

  /** Everything changed by `change`, as one update. */
  edit(change: (doc: Y.Doc) => void): NewUpdate {
    this.doc.transact(() => change(this.doc))
    return update(this.#document, '', { data: Y.mergeUpdates(this.#made.splice(0)) })
  }
}

/** Rows of several people, at times that also go back, some of them long, the others keystrokes. */
export function typedRows(document: string, count: number, random = createRandom(1)): NewUpdate[] {
  const typist = new Typist(document)
  let at = 1_700_000_000_000
  return Array.from({ length: count }, (_, index) => {
    at += random.int(2_000) - 100
    const isLong = index % 900 === 700
    const author = random.pick(['ann', 'bob \u0000', '', 'ünïcödé 😀'])
    const made = typist.type(isLong ? 'long '.repeat(20_000) : random.pick(['x', 'words ', '😀']))
    return { ...made, at, author, clients: index === 0 ? [1] : [] }
  })
}

/** The document as a reader of the log gets it. */
export function rebuild({ parts }: StoredDocument): Y.Doc {
  const doc = new Y.Doc()
  doc.transact(() => {
    for (const part of parts) Y.applyUpdate(doc, part)
  })
  return doc
}

export async function readAll(log: UpdateLog, document: string, after = 0, until?: number): Promise<LogRow[]> {
  return await Array.fromAsync(log.read(document, after, until))
}

export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString()
}

/** The seed of random tests: `SEED=…` runs one again. fast-check names it when a test fails. */
export const seed = Number(process.env.SEED ?? Math.trunc(Math.random() * 2 ** 31))

/** What the server writes to give a message its `seq`: the next one, if the room's archive ends where it should. */
export function stamp(room: string, lastSeq: number, id: string, options: Partial<NewUpdate> = {}): NewUpdate {
  const message = { ...archived(room, lastSeq + 1, id, { id }), id }
  return update(`${room}@1`, id, { author: '', messages: [message], expects: { room, lastSeq }, ...options })
}

/** Stamps a message: reads where the room ends and tries, as often as somebody else was first. Returns how often. */
export async function stampUntilStored(log: UpdateLog, room: string, id: string): Promise<number> {
  for (let lost = 0; ; lost++) {
    const [last] = await log.messages.list(room, { limit: 1 })
    const [position] = await log.append([stamp(room, last?.seq ?? 0, id)])
    if (position !== 0) return lost
  }
}
