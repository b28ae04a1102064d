import { once } from 'node:events'
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { EventStore, StoredEvent } from '../../persistence/event-store.ts'
import type { EventBus } from './event-bus.ts'

/** Read at once for a stream: what is kept in memory for a reader that is slow. */
const PAGE_EVENTS = 100

const HEADERS: OutgoingHttpHeaders = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  // no-transform: a proxy that compresses collects first.
  'Cache-Control': 'no-store, no-transform',
  'X-Accel-Buffering': 'no',
  'X-Content-Type-Options': 'nosniff',
}

export interface EventStreamOptions {
  readonly events: Pick<EventStore, 'read'>
  readonly bus: EventBus
  /** The number of the last event that the reader has. */
  readonly after: number
  readonly kind: string | undefined
  /** How often a stream at rest shows that it is there, and how long its reader may take none of it, ms. */
  readonly heartbeatMs: number
  /** When it ends, ms since 1970; undefined for never. */
  readonly endsAt: number | undefined
}

/**
 * Sends events as server-sent events, as they happen, each with its number as `id`. Resolves once the stream is over: the
 * reader has left or takes nothing, its time is over, or the server stops.
 * @throws {StorageError} when the log can't be read: then the stream is cut off
 */
export async function streamEvents(
  response: ServerResponse,
  headers: OutgoingHttpHeaders,
  { events, bus, after, kind, heartbeatMs, endsAt = Number.POSITIVE_INFINITY }: EventStreamOptions,
): Promise<void> {
  const left = new AbortController()
  response.on('close', () => left.abort())
  response.on('error', () => left.abort())
  response.writeHead(200, { ...headers, ...HEADERS })
  response.write(':\n\n')
  try {
    for (let last = after; !left.signal.aborted && !bus.isClosed && Date.now() < endsAt; ) {
      const { version } = bus
      const page = await events.read({ after: last, limit: PAGE_EVENTS, kind })
      last = page.at(-1)?.number ?? last
      if (page.length > 0) {
        response.write(page.map(frameOf).join(''))
      } else {
        const restMs = Math.min(heartbeatMs, endsAt - Date.now())
        await bus.next(version, restMs, left.signal)
        if (bus.version === version) response.write(':\n\n')
      }
      if (response.writableNeedDrain && !(await drained(response, heartbeatMs, left.signal))) break
    }
    response.end()
    // A reader that takes nothing takes no end either.
    if (response.writableNeedDrain) response.destroy()
  } catch (error) {
    response.destroy()
    throw error
  }
}

/** An event as the API tells it. */
export function toldEvent({ number, id, kind, at, document, users, json }: StoredEvent): object {
  return { number, id, kind, at, ...(document === '' ? {} : { document }), users, data: JSON.parse(json) }
}

function frameOf(event: StoredEvent): string {
  return `id: ${event.number}\ndata: ${JSON.stringify(toldEvent(event))}\n\n`
}

/** False if that takes too long, or the reader has left. */
async function drained(response: ServerResponse, timeoutMs: number, left: AbortSignal): Promise<boolean> {
  try {
    await once(response, 'drain', { signal: AbortSignal.any([left, AbortSignal.timeout(timeoutMs)]) })
    return true
  } catch {
    return false
  }
}
