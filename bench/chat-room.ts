import * as Y from 'yjs'
import { messagesOf, newMessageId, sendMessage } from '../model/chat.ts'
import { segmentName } from '../model/rooms.ts'
import type { ArchivedMessage } from '../persistence/message-store.ts'
import type { NewUpdate, UpdateLog } from '../persistence/update-log.ts'

const PER_SEGMENT = 500
/** Messages that the server stamps at once. */
const STAMPED_TOGETHER = 5
const CLIENTS = { author: 1, server: 2 }
const AT = Date.UTC(2026, 0, 1)

/**
 * Writes a room of `count` messages into the log as a server does: an update a message and one for each few stamps,
 * in segments, and the head. Returns the name of its newest segment.
 */
export async function writeRoom(log: UpdateLog, room: string, count: number): Promise<string> {
  const segments = Math.ceil(count / PER_SEGMENT)
  for (let segment = 1; segment <= segments; segment += 1) {
    const first = (segment - 1) * PER_SEGMENT + 1
    await log.append(segmentOf(room, segment, first, Math.min(first + PER_SEGMENT - 1, count)))
  }
  const head = new Y.Doc()
  head.clientID = CLIENTS.server
  head.getMap('room').set('segment', segments)
  const data = Y.encodeStateAsUpdate(head)
  await log.append([{ document: room, at: AT, author: '', data, clients: [CLIENTS.server] }])
  return segmentName(room, segments)
}

function segmentOf(room: string, segment: number, first: number, last: number): NewUpdate[] {
  const document = segmentName(room, segment)
  const updates: NewUpdate[] = []
  const [author, server] = [new Y.Doc(), new Y.Doc()]
  author.clientID = CLIENTS.author
  server.clientID = CLIENTS.server
  let made: ArchivedMessage[] = []
  author.on('update', (data: Uint8Array) => {
    updates.push({ document, at: AT, author: 'bench', data, clients: [CLIENTS.author] })
    Y.applyUpdate(server, data, author)
  })
  server.on('update', (data: Uint8Array, origin: unknown) => {
    if (origin === author) return
    updates.push({ document, at: AT, author: '', data, clients: [CLIENTS.server], messages: made })
  })
  for (let seq = first; seq <= last; seq += 1) {
    sendMessage(author, 'bench', { text: textOf(seq) }, newMessageId(AT + seq))
    if (seq % STAMPED_TOGETHER !== 0 && seq < last) continue
    made = []
    server.transact(() => {
      const list = messagesOf(server)
      for (let index = seq - first; index >= 0 && !list.get(index).has('seq'); index -= 1) {
        const message = list.get(index)
        message.set('seq', first + index)
        message.set('receivedAt', AT + first + index)
        made.push({ room, seq: first + index, id: String(message.get('id')), json: JSON.stringify(message) })
      }
    })
  }
  return updates
}

/** A sentence of a dozen words: some stand in every message, most in a few; the same for the same `seq`. */
export function textOf(seq: number): string {
  let state = seq * 2_654_435_761
  return Array.from({ length: 12 }, () => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 374_761_393) | 0
    const share = ((state >>> 0) + 1) / 2 ** 32
    return wordOf(Math.floor(5_000 * share ** 4))
  }).join(' ')
}

/** The nth of the words, the commonest first. */
export function wordOf(rank: number): string {
  const syllables = ['ba', 'de', 'fi', 'go', 'ku', 'la', 'me', 'ni', 'po', 'ru', 'sa', 'te', 'vi', 'wo', 'zu', 'ca']
  let word = ''
  for (let rest = rank + 16; rest > 0; rest = Math.floor(rest / 16)) word += syllables[rest % 16]
  return word
}
