import { ThreadPool } from '../threads/thread-pool.ts'
import type { Answer, Request } from './protocol.ts'

// Runs from source (.ts) and when built (.js).
const ENTRY = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url)
const THREADS = 2
/** What waits has read nothing yet: it is a request with its body. */
const MAX_WAITING = 1_000
/** A back end may be one user for many. */
const MAX_OF_USER = 200

export type ConversionThreads = ThreadPool<Request, Answer>

/** The threads in which documents are read and written as Markdown, HTML and so on. */
export function conversionThreads(onProblem: (error: Error) => void): ConversionThreads {
  return new ThreadPool({
    entry: ENTRY,
    role: 'format',
    threads: THREADS,
    maxWaiting: MAX_WAITING,
    maxOfUser: MAX_OF_USER,
    onProblem,
  })
}
