import { parentPort } from 'node:worker_threads'
import { unpackRows } from '../../persistence/packed-rows.ts'
import { buildSnapshot } from '../../persistence/snapshot-builder.ts'
import { StorageError } from '../../persistence/storage-error.ts'
import type { Call, Reply } from '../../persistence/worker-thread.ts'
import { difference, differenceJson } from './difference.ts'
import type { Answer, Request } from './protocol.ts'
import type { Source } from './rebuild.ts'
import { revertingUpdate } from './revert.ts'
import { volumeOf } from './volume.ts'

// The entry of the threads that compute history: one call after the other, each with all that it needs.

function answerOf({ task, document, snapshot, pages }: Request): Answer {
  const source: Source = { document, snapshot, rows: pages.flatMap(unpackRows) }
  const { rows } = source
  switch (task.kind) {
    case 'state':
      return buildSnapshot({ name: document, parts: snapshot === undefined ? rows : [snapshot, ...rows] })
    case 'difference':
      return differenceJson(difference(source, task.from))
    case 'revert':
      return revertingUpdate(source, task.after, ({ author }) => task.author === undefined || author === task.author)
    case 'volumes':
      return JSON.stringify(rows.map((row) => volumeOf(document, row)))
  }
}

parentPort?.on('message', ({ id, request }: Call<Request>) => {
  if ('kind' in request) {
    reply({ id, answer: undefined })
    parentPort?.close()
    return
  }
  try {
    reply({ id, answer: answerOf(request) })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const code = error instanceof StorageError ? error.code : 'storage/unavailable'
    reply({ id, error: { code, message } })
  }
})

function reply(message: Reply<Answer>): void {
  const moved = 'answer' in message && message.answer instanceof Uint8Array ? [message.answer.buffer] : []
  parentPort?.postMessage(
    message,
    moved.filter((buffer) => buffer instanceof ArrayBuffer),
  )
}
