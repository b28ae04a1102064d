import { CloseCode } from '../../model/close-codes.ts'
import type { Durability } from '../documents/durability.ts'
import { Traffic } from '../metrics/traffic.ts'
import type { Frame } from './frames.ts'
import type { Transport } from './transport.ts'

/** What is handed to the operating system's side at most; the rest waits here, where it can be counted and dropped. */
const SOCKET_BYTES = 256 * 1024
/** Who waits for more than this is written to after all others… */
const HEAVY_BYTES = 256 * 1024
/** …and for so long in one turn of the loop: hundreds who join a large document at once hold up nobody. */
const HEAVY_TURN_MS = 4
/** What a close frame has room for (RFC 6455, section 5.5); ws throws for more. */
const MAX_REASON_BYTES = 123
/** Whoever has this much waiting is not shown every move of the others. */
const BEHIND_BYTES = 256 * 1024
/** What a write to a socket takes where nothing was measured yet, ms. */
const FIRST_WRITE_MS = 0.008
/** Writes that go together tell how long one takes; fewer of them take no time to speak of. */
const MEASURED_SOCKETS = 32
const SMOOTHED_OVER = 8
/** How long a closed socket may take to answer before it is destroyed. */
const CLOSE_GRACE_MS = 5_000

/** One frame or several on their way out: the same object for all who get the same. */
export interface Outgoing {
  readonly frame: Frame
  /** How many updates must be committed, over all documents, before it may leave. */
  readonly after: number
  /** Whether the client has asked for it. */
  readonly requested: boolean
  /** When what it answers came, or it was to be told, on the clock of `performance`; 0 where that is not measured. */
  readonly since: number
}

/**
 * One client's way out. No frame leaves before the updates that were taken before it are committed: that is what
 * makes an acknowledgement, and everything others see, durable. Frames that leave together are one write.
 *
 * A client that doesn't read is cut off with 1013 once `limitBytes` of what it didn't ask for wait; answers it
 * did ask for don't count, since `congested` slows down who asks.
 */
export class Egress {
  /** When something was last written, ms since 1970. */
  lastWriteAt = Date.now()
  /** When the message came that is being taken, on the clock of `performance`. */
  receivedAt = 0
  /** Whether its group will write it in its turn. */
  isPending = false
  readonly #transport: Transport
  readonly #durability: Durability
  readonly #group: EgressGroup
  readonly #limitBytes: number
  readonly #waiting: Outgoing[] = []
  #first = 0
  /** So many updates must be committed before all that was ever sent has left. */
  #lastAfter = 0
  #unrequestedBytes = 0
  #requestedBytes = 0
  #closed = false
  #stalled = false

  constructor(transport: Transport, durability: Durability, group: EgressGroup, limitBytes: number) {
    this.#transport = transport
    this.#durability = durability
    this.#group = group
    this.#limitBytes = limitBytes
    group.join(this)
  }

  /** The transport has room again. */
  drained(): void {
    this.#stalled = false
    this.#group.add(this)
  }

  /** Whether answers to this client's requests pile up: don't read more of its requests now. */
  get congested(): boolean {
    return this.#requestedBytes > this.#limitBytes
  }

  /** Whether anything waits that reveals updates not yet committed. */
  get awaitsCommit(): boolean {
    return this.#waiting.length > 0 && this.#lastAfter > this.#durability.committed
  }

  /** Whether much of what it didn't ask for waits. */
  get isBehind(): boolean {
    return this.#unrequestedBytes > BEHIND_BYTES
  }

  /** Whether so much waits that others come first. */
  get isHeavy(): boolean {
    return this.#requestedBytes + this.#unrequestedBytes > HEAVY_BYTES
  }

  get closed(): boolean {
    return this.#closed
  }

  get traffic(): Traffic {
    return this.#group.traffic
  }

  /** Sends `frame` once all updates taken so far are committed. `requested` marks answers to the client's requests. */
  send(frame: Frame, requested = false): void {
    const since = requested ? 0 : this.#group.now
    this.tell({ frame, after: this.#durability.appended, requested, since })
  }

  /** Sends the acknowledgement of the message that is being taken, as send(). */
  acknowledge(frame: Frame): void {
    this.tell({ frame, after: this.#durability.appended, requested: true, since: this.receivedAt })
  }

  /** Sends `outgoing` once so many updates are committed, behind what waits already. @see Subscriber.send */
  tell(outgoing: Outgoing): void {
    if (this.#closed) return
    const { frame, after, requested } = outgoing
    if (!requested && this.#unrequestedBytes + frame.length > this.#limitBytes && this.#unrequestedBytes > 0) {
      this.close(CloseCode.TryAgainLater, 'reading too slowly')
      return
    }
    this.#waiting.push(outgoing)
    this.#lastAfter = Math.max(this.#lastAfter, after)
    if (requested) this.#requestedBytes += frame.length
    else this.#unrequestedBytes += frame.length
    this.#group.add(this)
  }

  /** Asks for a sign of life. `beside` tells nothing, and leaves with it at once. */
  ping(beside: Frame | undefined): void {
    this.#transport.ping(beside)
    if (beside === undefined) return
    this.lastWriteAt = Date.now()
    this.traffic.frames += 1
    this.traffic.frameBytes += beside.length
  }

  /** Writes what may leave. Returns whether nothing is left to wait for a commit. */
  flush(): boolean {
    if (this.#closed || this.#stalled) return true
    if (!this.#transport.isOpen) {
      // The peer is leaving: its close event follows.
      this.dispose()
      return true
    }
    // A crowd that waits for a commit is looked at in each turn of the loop until then.
    if (this.#mayLeave(this.#waiting[this.#first])) this.#write()
    if (this.#first === this.#waiting.length) {
      this.#waiting.length = 0
      this.#first = 0
    } else if (this.#first > 1024) {
      this.#waiting.splice(0, this.#first)
      this.#first = 0
    }
    return this.#stalled || this.#waiting.length === 0
  }

  #mayLeave(next: Outgoing | undefined): next is Outgoing {
    return next !== undefined && next.after <= this.#durability.committed
  }

  #write(): void {
    const { traffic, now } = this.#group
    this.#transport.cork()
    for (;;) {
      const next = this.#waiting[this.#first]
      if (!this.#mayLeave(next)) break
      if (this.#transport.writableLength > SOCKET_BYTES) {
        this.#stalled = true
        this.#transport.awaitDrain()
        break
      }
      this.#first += 1
      if (next.requested) this.#requestedBytes -= next.frame.length
      else this.#unrequestedBytes -= next.frame.length
      this.#transport.write(next.frame)
      traffic.frames += 1
      traffic.frameBytes += next.frame.length
      if (next.since > 0)
        (next.requested ? traffic.acknowledgements : traffic.broadcasts).observe((now - next.since) / 1_000)
    }
    this.#transport.uncork()
    this.lastWriteAt = Date.now()
  }

  /** Drops what waits and closes the socket. */
  close(code: CloseCode, reason: string): void {
    if (this.#closed) return
    this.dispose()
    this.traffic.closed(code)
    this.#transport.close(code, shortened(reason))
    setTimeout(() => this.#transport.terminate(), CLOSE_GRACE_MS).unref()
  }

  /** Drops what waits: the socket is closed or closing. */
  dispose(): void {
    this.#closed = true
    this.#waiting.length = 0
    this.#first = 0
    this.#group.leave(this)
  }
}

function shortened(reason: string): string {
  if (Buffer.byteLength(reason) <= MAX_REASON_BYTES) return reason
  const { read } = new TextEncoder().encodeInto(reason, new Uint8Array(MAX_REASON_BYTES - '…'.length * 3))
  return `${reason.slice(0, read)}…`
}

/** All sockets that have something to send: they are written once a turn, and after each commit. */
export class EgressGroup {
  readonly traffic = new Traffic()
  #now = 0
  readonly #members = new Set<Egress>()
  /** Those who have something to send: a list, since a crowd in a set is hashed anew with each update. */
  #pending: Egress[] = []
  /** Of those pending, who must wait for the others. */
  readonly #heavy = new Set<Egress>()
  #scheduled = false
  #writeMs = FIRST_WRITE_MS

  constructor(durability: Durability) {
    durability.onCommit(() => this.#flush())
  }

  /** The time of this turn of the loop: that of each frame would cost more than the frame. */
  get now(): number {
    if (this.#now === 0) this.#now = performance.now()
    return this.#now
  }

  /** What is written next is written now. */
  endTurn(): void {
    this.#now = 0
  }

  join(egress: Egress): void {
    this.#members.add(egress)
  }

  leave(egress: Egress): void {
    this.#members.delete(egress)
    this.#heavy.delete(egress)
  }

  add(egress: Egress): void {
    if (egress.isHeavy) this.#heavy.add(egress)
    else if (!this.#heavy.has(egress)) this.#wait(egress)
    this.#schedule()
  }

  #wait(egress: Egress): void {
    if (egress.isPending) return
    egress.isPending = true
    this.#pending.push(egress)
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  /** Resolves once everything that may leave now is handed to the sockets that take it. */
  async sent(): Promise<void> {
    do {
      await new Promise((resolve) => setImmediate(resolve))
      this.#flush()
    } while (this.#heavy.size > 0)
  }

  /** Closes every socket that waits for updates which will not be committed. */
  closeWaiting(code: CloseCode, reason: string): void {
    for (const egress of [...this.#members]) {
      if (egress.awaitsCommit) egress.close(code, reason)
    }
  }

  /** How long writing to so many sockets takes, as it was of late, ms. */
  readonly writingMs = (sockets: number): number => sockets * this.#writeMs

  #flushHeavy(): void {
    if (this.#heavy.size === 0) return
    const until = performance.now() + HEAVY_TURN_MS
    for (const egress of this.#heavy) {
      this.#heavy.delete(egress)
      // What waits for a commit is looked at again after that.
      if (!egress.flush()) this.#wait(egress)
      if (performance.now() < until || this.#heavy.size === 0) continue
      this.#schedule()
      return
    }
  }

  #flush(): void {
    this.endTurn()
    const pending = this.#pending
    const startedAt = this.now
    this.#pending = []
    for (const egress of pending) {
      egress.isPending = false
      if (egress.isHeavy) this.#heavy.add(egress)
      else if (!egress.flush()) this.#wait(egress)
    }
    const written = pending.length - this.#pending.length
    if (written >= MEASURED_SOCKETS) {
      this.#writeMs += ((performance.now() - startedAt) / written - this.#writeMs) / SMOOTHED_OVER
    }
    this.#flushHeavy()
    this.endTurn()
  }
}
