// A worker thread that answers as ours do, and dies when it is asked to append.
import { parentPort } from 'node:worker_threads'
import type { Request } from '../../../persistence/sqlite/protocol.ts'
import type { Call } from '../../../persistence/worker-thread.ts'

parentPort?.on('message', ({ id, request }: Call<Request>) => {
  if (request.kind === 'append') throw new Error('out of luck')
  if (request.kind !== 'load') parentPort?.postMessage({ id, answer: new Uint8Array([7]) }) // a load is never answered
  if (request.kind === 'close') parentPort?.close()
})
