import { parentPort, workerData } from 'node:worker_threads'
import type { Call, Reply } from '../worker-thread.ts'
import { nothing, type Request, type Role, type WorkerRole, type WorkerSettings } from './protocol.ts'
import { toStorageError } from './sqlite-errors.ts'

// The entry of every worker thread. It answers calls in the order they come.

// Each thread loads only what it needs: Yjs, for one, takes longer to load than a reader to start.
const OPEN: Record<WorkerRole, () => Promise<(settings: WorkerSettings) => Role>> = {
  opener: async () => (await import('./opener.ts')).openOpener,
  writer: async () => (await import('./writer.ts')).openWriter,
  reader: async () => (await import('./reader.ts')).openReader,
  compactor: async () => (await import('./compactor.ts')).openCompactor,
  checker: async () => (await import('./checker.ts')).openChecker,
  retention: async () => (await import('./retention.ts')).openRetention,
  eraser: async () => (await import('./eraser.ts')).openEraser,
  indexer: async () => (await import('./indexer.ts')).openIndexer,
  backup: async () => (await import('./backup.ts')).openBackup,
}

const settings: WorkerSettings = workerData
const openRole = await OPEN[settings.role]()
let role: Role | undefined

parentPort?.on('message', async ({ id, request }: Call<Request>) => {
  try {
    if (request.kind === 'close') {
      closeRole()
      answer({ id, answer: nothing() })
    } else {
      role ??= openRole(settings)
      answer({ id, answer: request.kind === 'open' ? nothing() : await role.handle(request) })
    }
  } catch (error) {
    const { code, message } = toStorageError(error, `${settings.file}: ${settings.role}`)
    closeAfterError()
    answer({ id, error: { code, message } })
  }
  if (request.kind === 'close') parentPort?.close()
})

function answer(reply: Reply<Uint8Array<ArrayBuffer>>): void {
  parentPort?.postMessage(reply, 'answer' in reply ? [reply.answer.buffer] : [])
}

function closeRole(): void {
  const open = role
  role = undefined
  open?.close()
}

/**
 * Whatever went wrong, the next call begins with a fresh connection: no transaction left open, no page in a cache
 * that was misread, no lock kept.
 */
function closeAfterError(): void {
  try {
    closeRole()
  } catch {
    // The call's own error says more, and the connection is given up either way.
  }
}
