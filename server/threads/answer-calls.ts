import { parentPort } from 'node:worker_threads'
import { CoweaveError } from '../../model/errors.ts'
import type { Call, Reply } from '../../persistence/worker-thread.ts'

/**
 * Answers the calls of a thread of a pool, one after the other. The bytes that `movedOf` names go along without being
 * copied. An error that isn't one of Coweave's gets the code `unexpected`.
 */
export function answerCalls<Request extends object, Answer>(
  answerOf: (request: Request) => Answer,
  movedOf: (answer: Answer) => Uint8Array | undefined,
  unexpected: string,
): void {
  parentPort?.on('message', ({ id, request }: Call<Request>) => {
    if ('kind' in request) {
      parentPort?.postMessage({ id, answer: undefined })
      parentPort?.close()
      return
    }
    try {
      const answer = answerOf(request)
      reply({ id, answer }, movedOf(answer))
    } catch (error) {
      reply({ id, error: { code: error instanceof CoweaveError ? error.code : unexpected, message: messageOf(error) } })
    }
  })

  function reply(message: Reply<Answer>, moved?: Uint8Array): void {
    const buffer = moved?.buffer
    parentPort?.postMessage(message, buffer instanceof ArrayBuffer ? [buffer] : [])
  }
}

function messageOf(error: unknown): string {
  if (error instanceof CoweaveError) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
