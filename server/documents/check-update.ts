import * as decoding from 'lib0/decoding'
import * as Y from 'yjs'
import { checkSiblings } from './siblings.ts'

/** The structs that an update holds of one client: from clock `start` to before `end`. */
export interface ClientRange {
  readonly start: number
  readonly end: number
}

export interface DecodedUpdate extends ReturnType<typeof Y.decodeUpdate> {
  /** What it holds of which clients. */
  readonly ranges: ReadonlyMap<number, ClientRange>
}

/**
 * Reads a whole update before any of it is applied.
 *
 * Yjs applies what it reads as it goes and trusts it: an update that is wrong at its end is applied by half, and some
 * that no client makes are taken in and then can't be encoded any more, so that nobody could open the document.
 * @throws {Error} for an update that can't be decoded, or that no Yjs client makes
 */
export function checkUpdate(update: Uint8Array): DecodedUpdate {
  const { structs, ds } = Y.decodeUpdate(update)
  const ranges = new Map<number, ClientRange>()
  for (const struct of structs) {
    const { client, clock } = struct.id
    if (!isCount(client) || !isCount(clock) || !isCount(clock + struct.length)) throw new Error('numbers too large')
    if (struct.length === 0) throw new Error('a struct without length')
    const range = ranges.get(client)
    if (range !== undefined && range.end !== clock) throw new Error('a client twice')
    if (struct instanceof Y.Item) checkItem(struct)
    ranges.set(client, { start: range?.start ?? clock, end: clock + struct.length })
  }
  // Of a client that comes twice, applying takes the last structs alone, and merging all of them.
  if (decoding.readVarUint(decoding.createDecoder(update)) !== ranges.size) throw new Error('a client twice')
  for (const deletions of ds.clients.values()) {
    for (const { clock, len } of deletions) {
      if (len === 0 || !isCount(clock + len)) throw new Error('a deletion of nothing, or of too much')
    }
  }
  checkSiblings(structs)
  return { structs, ds, ranges }
}

function checkItem({ id, origin, rightOrigin, parent, content }: Y.Item): void {
  for (const reference of [origin, rightOrigin, parent]) {
    const isOwn = reference instanceof Y.ID && reference.client === id.client
    if (isOwn && reference.clock >= id.clock) throw new Error('a struct that builds on itself')
  }
  if (content instanceof Y.ContentDoc && typeof content.doc.guid !== 'string') {
    throw new Error('a subdocument without an id')
  }
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}
