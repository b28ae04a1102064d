import { parentPort, workerData } from 'node:worker_threads'
import type { KeyRing } from '../encryption.ts'
import type { Damage } from '../update-log.ts'
import { tsvectorOf } from '../words.ts'
import type { Call, Reply } from '../worker-thread.ts'
import { findDamages } from './checker.ts'
import { compact } from './compactor.ts'
import { Connections } from './connections.ts'
import { forgetSome } from './forgetter.ts'
import { packSome } from './packer.ts'
import { toStorageError } from './postgres-errors.ts'
import { rebuildTexts } from './text-rebuilder.ts'
import { claimText, putText } from './text-table.ts'
import type { Answer, Request } from './thread-messages.ts'

// The entry of the worker threads, for what takes long to compute: snapshots, forgetting, packing, words of texts, and
// checks. Calls come one at a time.

export interface WorkerSettings {
  readonly url: string
  readonly place: string
  readonly keys: KeyRing | undefined
}

const settings: WorkerSettings = workerData
const { url, place, keys } = settings
// A lost idle connection is opened again by the next call, which tells if it can't be.
const connections = new Connections({ url, place, max: 1, onProblem: () => {} })
let damages: AsyncGenerator<Damage, void, undefined> | undefined

async function answerOf(request: Request): Promise<Answer> {
  if (request.kind === 'compact') {
    return await connections
      .write((session) => compact(session, keys, request))
      .catch((error) => Promise.reject(toStorageError(error, `${request.document}: compacting`)))
  }
  if (request.kind === 'forget') {
    return await connections
      .write((session) => forgetSome(session, keys, request))
      .catch((error) => Promise.reject(toStorageError(error, `${request.document}: forgetting`)))
  }
  if (request.kind === 'claim-text') {
    return await connections.write((session) => claimText(session, request.document, request.forMs))
  }
  if (request.kind === 'put-text') {
    const { text } = request.text
    const words = tsvectorOf(Buffer.from(text.buffer, text.byteOffset, text.length).toString())
    await connections.write((session) => putText(session, request.text, words))
    return undefined
  }
  if (request.kind === 'rebuild-texts') {
    // Building an index takes as long as it takes.
    const patient = new Connections({ url, place, max: 1, statementTimeoutMs: 0, onProblem: () => {} })
    return await rebuildTexts(patient).finally(() => patient.close())
  }
  if (request.kind === 'pack') {
    return await connections
      .write((session) => packSome(session, keys, request))
      .catch((error) => Promise.reject(toStorageError(error, `${request.document}: packing`)))
  }
  damages ??= findDamages(connections, keys)
  const next = await damages.next()
  return next.done ? undefined : next.value
}

parentPort?.on('message', async ({ id, request }: Call<Request>) => {
  if (request.kind === 'close') {
    await connections.close()
    reply({ id, answer: undefined })
    parentPort?.close()
    return
  }
  try {
    reply({ id, answer: await answerOf(request) })
  } catch (error) {
    const { code, message } = toStorageError(error, place)
    reply({ id, error: { code, message } })
  }
})

function reply(message: Reply<Answer>): void {
  parentPort?.postMessage(message)
}
