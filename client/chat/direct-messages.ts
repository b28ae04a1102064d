import {
  type DirectRefusal,
  decodeDirectDelivery,
  decodeDirectRefusal,
  encodeDirectRequest,
} from '../../model/direct.ts'
import { chatRoomOf } from '../../model/rooms.ts'
import type { DirectMessage, Stop } from '../api.ts'
import type { SharedDocument } from '../document.ts'
import { Listeners } from '../listeners.ts'

/** Direct messages of one session: they go through the heads of the rooms that are open in it. */
export class DirectMessages {
  readonly #heads = new Set<SharedDocument>()
  readonly #received = new Listeners<DirectMessage>()
  readonly #refused = new Listeners<DirectRefusal>()

  opened(document: SharedDocument): void {
    if (!isHead(document.name)) return
    this.#heads.add(document)
    document.onStateless((message) => this.#receive(document.name, message))
  }

  closed(document: SharedDocument): void {
    this.#heads.delete(document)
  }

  /** Whether some room shows the user; then it was sent through one. */
  send(to: string, kind: string, payload: unknown): boolean {
    const request = encodeDirectRequest({ to, kind, payload: JSON.stringify(payload) ?? 'null' })
    const shared = [...this.#heads].filter(({ presence }) => presence.get().some(({ user }) => user === to))
    return shared.some((head) => head.sendStateless(request))
  }

  onMessage(listener: (message: DirectMessage) => void): Stop {
    return this.#received.add(listener)
  }

  onRefused(listener: (refusal: DirectRefusal) => void): Stop {
    return this.#refused.add(listener)
  }

  #receive(room: string, message: string): void {
    const refusal = decodeDirectRefusal(message)
    if (refusal !== undefined) this.#refused.tell(refusal)
    const delivery = decodeDirectDelivery(message)
    // Signals are their calls' (room-calls.ts).
    if (delivery === undefined || delivery.call !== undefined) return
    const { from, kind } = delivery
    this.#received.tell({ from, kind, payload: jsonIn(delivery.payload), room })
  }
}

function isHead(name: string): boolean {
  const room = chatRoomOf(name)
  return room !== undefined && room.segment === undefined
}

/** Another library may send something else than JSON: that is given as it is. */
function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
