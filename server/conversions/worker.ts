import * as Y from 'yjs'
import type { Anchor } from '../../model/chat.ts'
import { encodeShown } from '../documents/apply-update.ts'
import { rebuild, unpackSource } from '../documents/source.ts'
import { anchorAt, quotesIn } from '../formats/anchors.ts'
import { changeContent, readContent } from '../formats/formats.ts'
import { fromYjsJson, toYjsJson } from '../formats/yjs-json.ts'
import { answerCalls } from '../threads/answer-calls.ts'
import type { Answer, Format, Made, Request, WriterId, Writing } from './protocol.ts'

// The entry of the threads that read and write documents in formats: one call after the other, each with all it needs.

const NO_STATE = Uint8Array.of(0)

function answerOf({ task, source }: Request): Answer {
  const ydoc = rebuild(unpackSource(source))
  try {
    switch (task.kind) {
      case 'read':
        return { kind: 'converted', bytes: represent(ydoc, task.field, task.format) }
      case 'locate':
        return asJson(anchorAt(ydoc, task.place))
      case 'quote':
        return asJson(task.anchors.map(quotesIn(ydoc)).map((quote) => quote ?? null))
      case 'write':
        return write(ydoc, task.writing, task.writer)
    }
  } finally {
    ydoc.destroy()
  }
}

function asJson(value: unknown): Answer {
  return { kind: 'converted', bytes: new TextEncoder().encode(JSON.stringify(value)) }
}

function represent(ydoc: Y.Doc, field: string, format: Format): Uint8Array<ArrayBuffer> {
  if (format === 'update') return new Uint8Array(encodeShown(ydoc, NO_STATE))
  const content = format === 'yjs-json' ? toYjsJson(ydoc) : readContent(ydoc, field, format)
  return new TextEncoder().encode(typeof content === 'string' ? content : JSON.stringify(content))
}

function write(ydoc: Y.Doc, writing: Writing, known: WriterId | undefined): Made {
  if (known !== undefined && Y.getState(ydoc.store, known.client) === known.clock) ydoc.clientID = known.client
  const from = Y.getState(ydoc.store, ydoc.clientID)
  const updates: Uint8Array[] = []
  ydoc.on('update', (update: Uint8Array) => updates.push(update))
  if (writing.format === 'yjs-json') fromYjsJson(writing.body, ydoc)
  else changeContent(ydoc, writing.field, writing.format, writing.change)
  const writer = { client: ydoc.clientID, clock: Y.getState(ydoc.store, ydoc.clientID) }
  const update = updates.length === 0 ? undefined : new Uint8Array(Y.mergeUpdates(updates))
  return { kind: 'made', update, writer, at: endOfWriting(ydoc, from) }
}

/** Behind the last letter that this client has written since that clock. */
function endOfWriting({ store, clientID: client }: Y.Doc, from: number): Anchor | undefined {
  const isLetters = (struct: Y.Item | Y.GC) =>
    struct instanceof Y.Item && struct.content instanceof Y.ContentString && !struct.deleted
  const structs = store.clients.get(client)
  const last = structs?.findLast((struct) => isLetters(struct) && struct.id.clock + struct.length > from)
  return last && { start: { item: { client, clock: last.id.clock + last.length - 1 }, assoc: -1 } }
}

answerCalls(answerOf, (answer) => (answer.kind === 'made' ? answer.update : answer.bytes), 'format/failed')
