import type { Level, Principal } from '../access/grants.ts'
import type { Address, Frame } from '../connection/frames.ts'

/** Who listens to a document: one connection's channel. */
export interface Subscriber {
  readonly principal: Principal
  readonly level: Level
  /** The same object for all who get the same bytes. */
  readonly address: Address
  /** Counts a change of what it shows. @throws {AccessError} `presence/too-many` */
  countPresence?(): void
  /** `isCommitted` tells that the frame reveals nothing that is not on disk yet. */
  send(frame: Frame, isCommitted: boolean): void
  /** Hands over a stateless message, where the client's protocol has such. */
  tell?(payload: string): void
}

/** Those who listen to one document. */
export class Subscribers {
  readonly #all = new Set<Subscriber>()

  get all(): ReadonlySet<Subscriber> {
    return this.#all
  }

  add(subscriber: Subscriber): void {
    this.#all.add(subscriber)
  }

  /** Returns whether it was one. */
  delete(subscriber: Subscriber): boolean {
    return this.#all.delete(subscriber)
  }

  users(): Set<string> {
    return new Set(Array.from(this.#all, ({ principal }) => principal.user))
  }

  /** Hands a stateless message to the connections of `user`. */
  tell(user: string, payload: string): void {
    for (const subscriber of this.#all) if (subscriber.principal.user === user) subscriber.tell?.(payload)
  }

  /** One frame for all subscribers that share an address; nobody hears of their own change. */
  broadcast(sender: unknown, frameFor: (address: Address) => Frame, isCommitted = false): void {
    const frames = new Map<Address, Frame>()
    for (const subscriber of this.#all) {
      if (subscriber === sender) continue
      let frame = frames.get(subscriber.address)
      if (frame === undefined) {
        frame = frameFor(subscriber.address)
        frames.set(subscriber.address, frame)
      }
      subscriber.send(frame, isCommitted)
    }
  }
}
