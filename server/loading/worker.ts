import { answerCalls } from '../threads/answer-calls.ts'
import { joinUpdates } from './join-updates.ts'
import { type Answer, packParts, type Request, unpackParts } from './protocol.ts'
import { slicesOf } from './slices.ts'

// The entry of the threads that prepare large documents for being opened.

function answerOf({ task }: Request): Answer {
  if (task.kind === 'slice') {
    const slices = slicesOf(task.update)
    return slices && packParts(slices)
  }
  const joined = joinUpdates(unpackParts(task.updates), task.vector)
  return joined && new Uint8Array(joined)
}

answerCalls(answerOf, (answer) => answer, 'storage/unavailable')
