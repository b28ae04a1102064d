import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { EventStore, StoredEvent } from '../../persistence/event-store.ts'
import type { EventBus } from './event-bus.ts'
import { frame, type StreamLimits, stream } from './sse.ts'

/** Read at once for a stream: what is kept in memory for a reader that is slow. */
const PAGE_EVENTS = 100

export interface EventStreamOptions extends StreamLimits {
  readonly events: Pick<EventStore, 'read'>
  readonly bus: EventBus
  /** The number of the last event that the reader has. */
  readonly after: number
  readonly kind: string | undefined
}

/**
 * Sends events as server-sent events, as they happen, each with its number as `id`. Resolves once the stream is over: the
 * reader has left or takes nothing, its time is over, or the server stops.
 * @throws {StorageError} when the log can't be read: then the stream is cut off
 */
export async function streamEvents(
  response: ServerResponse,
  headers: OutgoingHttpHeaders,
  { events, bus, after, kind, ...limits }: EventStreamOptions,
): Promise<void> {
  let last = after
  let { version } = bus
  const source = {
    get isOver() {
      return bus.isClosed
    },
    async read() {
      version = bus.version
      const page = await events.read({ after: last, limit: PAGE_EVENTS, kind })
      last = page.at(-1)?.number ?? last
      return page.map((event) => frame({ id: event.number, data: toldEvent(event) })).join('')
    },
    async next(timeoutMs: number, signal: AbortSignal) {
      await bus.next(version, timeoutMs, signal)
      return bus.version !== version
    },
  }
  await stream(response, headers, source, limits)
}

/** An event as the API tells it. */
export function toldEvent({ number, id, kind, at, document, users, json }: StoredEvent): object {
  return { number, id, kind, at, ...(document === '' ? {} : { document }), users, data: JSON.parse(json) }
}
