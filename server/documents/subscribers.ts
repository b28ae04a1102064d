import type { Level, Principal } from '../access/grants.ts'
import type { Outgoing } from '../connection/egress.ts'
import type { Address, Frame } from '../connection/frames.ts'

/** Who listens to a document: one connection's channel. */
export interface Subscriber {
  readonly principal: Principal
  readonly level: Level
  /** The same object for all who get the same bytes. */
  readonly address: Address
  /** Counts a change of what it shows. @throws {AccessError} `presence/too-many` */
  countPresence?(): void
  /** Sends what everybody with its address gets. */
  send(outgoing: Outgoing): void
  /** Whether it reads slower than it is sent to: presence is left out then, which is repeated all the time. */
  readonly isBehind?: boolean
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

  get size(): number {
    return this.#all.size
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

  /** Hands a stateless message to everybody. */
  tellAll(payload: string): void {
    for (const subscriber of this.#all) subscriber.tell?.(payload)
  }

  /**
   * One frame, or several in one piece, for all subscribers that share an address, but for those `isLeftOut` names: once
   * `after` updates are committed, over all documents. It was to be told at `since`, on the clock of `performance`.
   */
  send(
    isLeftOut: (subscriber: Subscriber) => boolean,
    frameFor: (address: Address) => Frame,
    after: number,
    since: number,
  ): void {
    const all = new Map<Address, Outgoing>()
    for (const subscriber of this.#all) {
      if (isLeftOut(subscriber)) continue
      let outgoing = all.get(subscriber.address)
      if (outgoing === undefined) {
        outgoing = { frame: frameFor(subscriber.address), after, requested: false, since }
        all.set(subscriber.address, outgoing)
      }
      subscriber.send(outgoing)
    }
  }
}
