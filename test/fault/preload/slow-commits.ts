// For `node --import`: commits take `SLOW_COMMIT_MS` longer, so that a crash finds many updates on their way.
import { isMainThread } from 'node:worker_threads'
import { WorkerThread } from '../../../persistence/worker-thread.ts'

if (isMainThread) {
  const { call } = WorkerThread.prototype
  const delayMs = Number(process.env.SLOW_COMMIT_MS)
  WorkerThread.prototype.call = async function slowCall(request, moved) {
    if (request.kind === 'append') {
      process.stdout.write('a slow commit begins\n')
      await new Promise((resolve) => setTimeout(resolve, delayMs))
    }
    return call.call(this, request, moved)
  }
}
