import { buildSnapshot } from '../../persistence/snapshot-builder.ts'
import { unpackSource } from '../documents/source.ts'
import { answerCalls } from '../threads/answer-calls.ts'
import { difference, differenceJson } from './difference.ts'
import type { Answer, Request } from './protocol.ts'
import { revertingUpdate } from './revert.ts'
import { volumeOf } from './volume.ts'

// The entry of the threads that compute history: one call after the other, each with all that it needs.

function answerOf({ task, source: packed }: Request): Answer {
  const source = unpackSource(packed)
  const { document, snapshot, rows } = source
  switch (task.kind) {
    case 'state':
      return buildSnapshot({ name: document, parts: snapshot === undefined ? rows : [snapshot, ...rows] }).state
    case 'difference':
      return differenceJson(difference(source, task.from))
    case 'revert':
      return revertingUpdate(source, task.after, ({ author }) => task.author === undefined || author === task.author)
    case 'volumes':
      return JSON.stringify(rows.map((row) => volumeOf(document, row)))
  }
}

answerCalls(answerOf, (answer) => (answer instanceof Uint8Array ? answer : undefined), 'storage/unavailable')
