// For `node --import`: asking the archive for ids takes `SLOW_LOOKUP_MS` longer, so that much happens meanwhile.
import { isMainThread } from 'node:worker_threads'
import { WorkerThread } from '../../../persistence/worker-thread.ts'

if (isMainThread) {
  const { call } = WorkerThread.prototype
  const delayMs = Number(process.env.SLOW_LOOKUP_MS)
  WorkerThread.prototype.call = async function slowCall(request, moved) {
    if (request.kind === 'known-messages') await new Promise((resolve) => setTimeout(resolve, delayMs))
    return call.call(this, request, moved)
  }
}
