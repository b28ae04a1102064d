import * as Y from 'yjs'
import { SERVER } from '../documents/open-document.ts'
import { Alarm, someDelayMs } from './alarm.ts'
import { CallLog, type CallTimes, type Here } from './call-log.ts'

/** How long what another instance took, or is in the habit of doing, is left to it, at least and at most. */
const TAKE_OVER_MS = [1_000, 2_000] as const

export interface CallKeeperOptions {
  readonly head: Y.Doc
  readonly times: CallTimes
  /** Who has the head open, on this instance or another. */
  readonly here: () => Here
  /** Keeps the head in memory until `over` resolves. */
  readonly hold: (over: Promise<void>) => void
}

/**
 * Sees to it that the calls of one open head go on: after changes, when people come and leave, and by time. The head
 * stays open here until no call is.
 *
 * Each instance that has the head open does so. A course is one value, worked out of acts that all instances have, so
 * that two of them write the same but for the times; where one knew of an act that the other did not, either course
 * holds, and the next look at the acts goes on from there. To save writes, who took an act writes at once, and
 * the others wait whether that happens, as all do in what comes by time while another one wrote last.
 */
export class CallKeeper {
  readonly #options: CallKeeperOptions
  readonly #log: CallLog
  #isElsewhere = false
  /** Settles once no call is open. */
  #held: PromiseWithResolvers<void> | undefined
  readonly #alarm = new Alarm(() => this.changed())
  #isClosed = false

  constructor(options: CallKeeperOptions) {
    this.#options = options
    this.#log = new CallLog(options.times)
    this.changed()
  }

  /** A client of this instance changed the head: what comes of it is committed with it. */
  changed(): void {
    if (this.#isClosed) return
    const { head, here } = this.#options
    const written = Y.getState(head.store, head.clientID)
    const { isOpen, next } = this.#log.advance(head, here(), Date.now())
    if (Y.getState(head.store, head.clientID) > written) this.#isElsewhere = false
    this.#hold(isOpen)
    this.#alarm.clear()
    if (next !== undefined) this.#wake(next - Date.now() + this.#courtesyMs())
  }

  /** The head has taken what `author` committed on another instance. */
  followed(author: string): void {
    if (author === SERVER) this.#isElsewhere = true
    this.#wake(someDelayMs(TAKE_OVER_MS))
  }

  /** Other people than before may have the head open, or it is known again who has. */
  hereChanged(): void {
    if (this.#held !== undefined) this.#wake(this.#courtesyMs())
  }

  close(): void {
    this.#isClosed = true
    this.#alarm.clear()
    this.#hold(false)
  }

  #courtesyMs(): number {
    return this.#isElsewhere ? someDelayMs(TAKE_OVER_MS) : 0
  }

  #hold(isOpen: boolean): void {
    if (isOpen === (this.#held !== undefined)) return
    this.#held?.resolve()
    this.#held = isOpen ? Promise.withResolvers() : undefined
    if (this.#held !== undefined) this.#options.hold(this.#held.promise)
  }

  #wake(delayMs: number): void {
    if (!this.#isClosed) this.#alarm.set(delayMs)
  }
}
