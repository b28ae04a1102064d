import type { StoredEvent } from '../../persistence/event-store.ts'
import type { Access } from '../access/access.ts'
import type { Principal } from '../access/grants.ts'
import { toldEvent } from './event-stream.ts'
import type { EventTail } from './event-tail.ts'
import { frame, type StreamSource } from './sse.ts'

const PAGE_EVENTS = 500
const OF_USERS: ReadonlySet<string> = new Set(['notification.added'])
const OF_USERS_IN_ROOMS: ReadonlySet<string> = new Set(['call.started', 'call.ended'])
const OF_ROOMS: ReadonlySet<string> = new Set(['user.online', 'user.offline'])

/**
 * What a user is told of, if they may read the room: their notifications in any case, their calls, and who comes and goes in
 * lobbies.
 */
export function concerns({ kind, document, users }: StoredEvent, user: string, readable: ReadonlySet<string>): boolean {
  if (OF_USERS.has(kind)) return users.includes(user)
  if (OF_USERS_IN_ROOMS.has(kind)) return users.includes(user) && readable.has(document)
  return OF_ROOMS.has(kind) && readable.has(document)
}

/** The events that concern a user, from behind the event with the number `after`. */
export function userEvents(tail: EventTail, access: Access, principal: Principal, after: number): StreamSource {
  const { bus } = tail
  let last = after
  let { version } = bus
  return {
    get isOver() {
      return bus.isClosed
    },
    async read() {
      for (;;) {
        version = bus.version
        const page = await tail.read(last, PAGE_EVENTS)
        const [end] = page.slice(-1)
        if (end === undefined) return ''
        last = end.number
        const rooms = page.filter(({ kind }) => OF_ROOMS.has(kind) || OF_USERS_IN_ROOMS.has(kind))
        const names = new Set(rooms.map(({ document }) => document))
        const readable = await access.readable([...names], principal)
        const frames = page
          .filter((event) => concerns(event, principal.user, readable))
          .map((event) => frameFor(event, principal))
        if (frames.length > 0) return frames.join('')
      }
    },
    async next(timeoutMs, signal) {
      await bus.next(version, timeoutMs, signal)
      return bus.version !== version
    },
  }
}

/** Who else was notified is nobody's business. */
function frameFor(event: StoredEvent, { user }: Principal): string {
  const told = OF_USERS.has(event.kind) ? { ...event, users: [user] } : event
  return frame({ id: event.number, name: event.kind, data: toldEvent(told) })
}
