import { WorkerThread } from '../worker-thread.ts'
import type { Request, WorkerSettings } from './protocol.ts'

// Runs from source (.ts) and when built (.js).
const ENTRY = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url)

export type SqliteThread = WorkerThread<Request, Uint8Array<ArrayBuffer>>

/** Asks one of the threads of a log; byte arrays in `moved` are moved there. */
export type Ask = (request: Request, moved?: readonly Uint8Array<ArrayBuffer>[]) => Promise<Uint8Array<ArrayBuffer>>

/** Starts a thread for one of the roles. */
export function startThread(
  settings: WorkerSettings,
  onProblem: (error: Error) => void,
  entry: URL = ENTRY,
): SqliteThread {
  return new WorkerThread({ entry, role: settings.role, place: settings.file, settings, onProblem })
}
