// For `node --import`: the archive can't be asked for ids the first `FAILING_LOOKUPS` times.
import { isMainThread } from 'node:worker_threads'
import { StorageError } from '../../../persistence/storage-error.ts'
import { WorkerThread } from '../../../persistence/worker-thread.ts'

if (isMainThread) {
  const { call } = WorkerThread.prototype
  let left = Number(process.env.FAILING_LOOKUPS)
  WorkerThread.prototype.call = async function failingCall(request, moved) {
    if (request.kind === 'known-messages' && left > 0) {
      left -= 1
      throw new StorageError('storage/unavailable', 'a look-up that fails in this test')
    }
    return call.call(this, request, moved)
  }
}
