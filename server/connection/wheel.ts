/** What has something to do from time to time. */
export interface Timed {
  /** Where the wheel keeps it. */
  slot: number
  /** Does what is due. Returns when it is to be called next at the latest, ms since 1970. */
  tick(now: number): number
}

/** How late something may be done, ms. */
const STEP_MS = 250
const SLOTS = 128
const NOWHERE = -1

/**
 * One clock for many, with one timer: each is called when something is due, or once a turn of the wheel where that is
 * later. Those of whom nothing is due cost nothing.
 */
export class Wheel<Member extends Timed> {
  readonly #slots = Array.from({ length: SLOTS }, () => new Set<Member>())
  /** Runs while there is anybody. */
  #timer: NodeJS.Timeout | undefined
  #turning: NodeJS.Immediate | undefined
  /** The last step that was made. */
  #step = 0

  /** Has `member` called at `dueAt`, ms since 1970, instead of when it would have been. */
  put(member: Member, dueAt: number): void {
    this.delete(member)
    if (this.#timer === undefined) this.#start()
    const step = Math.min(Math.max(stepOf(dueAt) + 1, this.#step + 1), this.#step + SLOTS - 1)
    member.slot = step % SLOTS
    this.#slots[member.slot]?.add(member)
  }

  delete(member: Member): void {
    this.#slots[member.slot]?.delete(member)
    member.slot = NOWHERE
  }

  /** Calls those of whom something is due by `now`. */
  turn(now: number): void {
    const last = stepOf(now)
    // After a long pause one turn has them all.
    this.#step = Math.max(this.#step, last - SLOTS)
    while (this.#step < last) {
      this.#step += 1
      const slot = this.#step % SLOTS
      const members = [...(this.#slots[slot] ?? [])]
      // One may have ended another, or itself.
      for (const member of members) {
        if (member.slot !== slot) continue
        const dueAt = member.tick(now)
        if (member.slot === slot) this.put(member, dueAt)
      }
    }
    if (this.#slots.some(({ size }) => size > 0)) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  stop(): void {
    clearInterval(this.#timer)
    clearImmediate(this.#turning)
  }

  #start(): void {
    this.#step = stepOf(Date.now())
    this.#timer = setInterval(() => this.#turnSoon(), STEP_MS)
    this.#timer.unref()
  }

  /**
   * Once what has come by now is read: after a pause of the process timers are first, and nobody is late who was not heard.
   */
  #turnSoon(): void {
    const now = Date.now()
    this.#turning = setImmediate(() => this.turn(now))
  }
}

function stepOf(time: number): number {
  return Math.floor(time / STEP_MS)
}
