import type { Load } from '../connection/load-guard.ts'
import type { OpenDocument } from '../documents/open-document.ts'
import type { Measured } from '../http/metrics.ts'
import { VERSION } from '../version.ts'

/** Users told of each document. */
const MAX_USERS = 100

/** What there is beside what `/metrics` measures. */
export interface Busy {
  /** Who has a connection. */
  readonly users: number
  readonly load: Load
}

/** How this instance is now; counts of updates are since its start. */
export function overviewOf(measured: Measured, { users, load }: Busy) {
  const { connections, documents, idleDocuments, loads, appended, committed, waitingBytes, isRelayUp } = measured
  return {
    version: VERSION,
    at: Date.now(),
    uptime: Math.round(process.uptime() * 1000),
    connections,
    users,
    documents,
    idleDocuments,
    loads,
    updates: { taken: appended, committed },
    waitingBytes,
    memoryBytes: process.memoryUsage.rss(),
    eventLoopDelay: Math.round(load.delayMs * 10) / 10,
    relay: isRelayUp === undefined ? 'none' : isRelayUp ? 'up' : 'down',
  }
}

/** The first `count` of `documents` by their names, behind `after`; without sorting all, which may be very many. */
export function firstByName<T extends { readonly name: string }>(
  documents: Iterable<T>,
  after: string,
  count: number,
): T[] {
  const first: T[] = []
  for (const document of documents) {
    const { name } = document
    const last = first.at(-1)
    if (name <= after || (first.length === count && last !== undefined && name > last.name)) continue
    const place = first.findLastIndex((other) => other.name < name) + 1
    first.splice(place, 0, document)
    if (first.length > count) first.pop()
  }
  return first
}

/** One of the documents that are in memory here, and who is in it. */
export function openDocumentOf(open: OpenDocument) {
  const here = Map.groupBy(open.subscribers, ({ principal }) => principal.user)
  const users = Array.from(here.entries().take(MAX_USERS), ([user, subscribers]) => ({
    user,
    name: subscribers[0]?.principal.name ?? user,
    connections: subscribers.length,
    level: subscribers[0]?.level,
    isMuted: open.isMuted(user),
  }))
  return {
    name: open.name,
    connections: open.subscribers.size,
    users,
    // Whom other instances tell of.
    elsewhere: Array.from(open.users)
      .filter((user) => !here.has(user))
      .slice(0, MAX_USERS),
    bytes: open.bytes,
    position: open.cursor.position,
  }
}
