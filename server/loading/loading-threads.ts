import { ThreadPool } from '../threads/thread-pool.ts'
import type { Answer, Request } from './protocol.ts'

// Runs from source (.ts) and when built (.js).
const ENTRY = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url)
/** Each needs many times the memory of the document. */
const THREADS = 1
const MAX_WAITING = 1_000

export type LoadingThreads = ThreadPool<Request, Answer>

/** The thread in which large documents are prepared for being opened. */
export function loadingThreads(onProblem: (error: Error) => void): LoadingThreads {
  return new ThreadPool({
    entry: ENTRY,
    role: 'loading',
    threads: THREADS,
    maxWaiting: MAX_WAITING,
    maxOfUser: MAX_WAITING,
    onProblem,
  })
}
