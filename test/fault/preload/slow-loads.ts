// For `node --import`: reading a document takes `SLOW_LOAD_MS` longer, as that of a big one does.
import { isMainThread } from 'node:worker_threads'
import { WorkerThread } from '../../../persistence/worker-thread.ts'

if (isMainThread) {
  const { call } = WorkerThread.prototype
  const delayMs = Number(process.env.SLOW_LOAD_MS)
  WorkerThread.prototype.call = async function slowCall(request, moved) {
    if (request.kind === 'load') await new Promise((resolve) => setTimeout(resolve, delayMs))
    return call.call(this, request, moved)
  }
}
