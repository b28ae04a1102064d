import { WorkerThread } from '../worker-thread.ts'
import type { Answer, Request } from './thread-messages.ts'
import type { WorkerSettings } from './worker.ts'

// Runs from source (.ts) and when built (.js).
const ENTRY = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url)

export type PostgresThread = WorkerThread<Request, Answer>

export function startThread(
  role: 'compactor' | 'retention' | 'checker' | 'indexer',
  settings: WorkerSettings,
  onProblem: (error: Error) => void,
): PostgresThread {
  return new WorkerThread({ entry: ENTRY, role, place: settings.place, settings, onProblem })
}
