import { ThreadPool } from '../threads/thread-pool.ts'
import type { Answer, Request } from './protocol.ts'

// Runs from source (.ts) and when built (.js).
const ENTRY = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url)
/** Each may need many times the memory of the rows it is given. */
const THREADS = 2
const MAX_WAITING = 32
const MAX_OF_USER = 4

export type HistoryThreads = ThreadPool<Request, Answer>

/** The threads in which history is computed. */
export function historyThreads(onProblem: (error: Error) => void): HistoryThreads {
  return new ThreadPool({
    entry: ENTRY,
    role: 'history',
    threads: THREADS,
    maxWaiting: MAX_WAITING,
    maxOfUser: MAX_OF_USER,
    onProblem,
  })
}
