import { ThreadPool } from '../threads/thread-pool.ts'
import type { Answer, Request } from './protocol.ts'

// Runs from source (.ts) and when built (.js).
const ENTRY = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url)
/** One for the documents that are indexed, one by one, and one for who searches. */
const THREADS = 2
const MAX_WAITING = 100
const MAX_OF_USER = 20

export type SearchThreads = ThreadPool<Request, Answer>

/** The threads in which texts of documents are made, and excerpts of those. */
export function searchThreads(onProblem: (error: Error) => void): SearchThreads {
  return new ThreadPool({
    entry: ENTRY,
    role: 'search',
    threads: THREADS,
    maxWaiting: MAX_WAITING,
    maxOfUser: MAX_OF_USER,
    onProblem,
  })
}
