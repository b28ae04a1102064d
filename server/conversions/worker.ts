import * as Y from 'yjs'
import { encodeShown } from '../documents/apply-update.ts'
import { rebuild, unpackSource } from '../documents/source.ts'
import { changeContent, readContent } from '../formats/formats.ts'
import { fromYjsJson, toYjsJson } from '../formats/yjs-json.ts'
import { answerCalls } from '../threads/answer-calls.ts'
import type { Answer, Format, Made, Request, WriterId, Writing } from './protocol.ts'

// The entry of the threads that read and write documents in formats: one call after the other, each with all it needs.

const NO_STATE = Uint8Array.of(0)

function answerOf({ task, source }: Request): Answer {
  const ydoc = rebuild(unpackSource(source))
  try {
    return task.kind === 'read'
      ? { kind: 'converted', bytes: represent(ydoc, task.field, task.format) }
      : write(ydoc, task.writing, task.writer)
  } finally {
    ydoc.destroy()
  }
}

function represent(ydoc: Y.Doc, field: string, format: Format): Uint8Array<ArrayBuffer> {
  if (format === 'update') return new Uint8Array(encodeShown(ydoc, NO_STATE))
  const content = format === 'yjs-json' ? toYjsJson(ydoc) : readContent(ydoc, field, format)
  return new TextEncoder().encode(typeof content === 'string' ? content : JSON.stringify(content))
}

function write(ydoc: Y.Doc, writing: Writing, known: WriterId | undefined): Made {
  if (known !== undefined && Y.getState(ydoc.store, known.client) === known.clock) ydoc.clientID = known.client
  const updates: Uint8Array[] = []
  ydoc.on('update', (update: Uint8Array) => updates.push(update))
  if (writing.format === 'yjs-json') fromYjsJson(writing.body, ydoc)
  else changeContent(ydoc, writing.field, writing.format, writing.change)
  const writer = { client: ydoc.clientID, clock: Y.getState(ydoc.store, ydoc.clientID) }
  return { kind: 'made', update: updates.length === 0 ? undefined : new Uint8Array(Y.mergeUpdates(updates)), writer }
}

answerCalls(answerOf, (answer) => (answer.kind === 'made' ? answer.update : answer.bytes), 'format/failed')
