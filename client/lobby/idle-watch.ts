import { IDLE_AFTER_MS } from '../../model/lobby.ts'
import type { Clock } from './clock.ts'

/** What somebody does who uses a page. */
const INPUT = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart', 'focus'] as const

/** Tells when nobody has used this device for five minutes, and when somebody does again. */
export class IdleWatch {
  readonly #clock: Clock
  readonly #input: EventTarget | undefined
  readonly #onChange: (isIdle: boolean) => void
  #lastInputAt: number
  #isIdle = false
  #cancel = () => {}

  /** Without `input`, where the events come from, the device is never idle. */
  constructor(clock: Clock, input: EventTarget | undefined, onChange: (isIdle: boolean) => void) {
    this.#clock = clock
    this.#input = input
    this.#onChange = onChange
    this.#lastInputAt = clock.now()
    if (input === undefined) return
    for (const type of INPUT) input.addEventListener(type, this.#used, { passive: true, capture: true })
    this.#checkAfter(IDLE_AFTER_MS)
  }

  stop(): void {
    this.#cancel()
    for (const type of INPUT) this.#input?.removeEventListener(type, this.#used, { capture: true })
  }

  /** Often: all it does is to note the time. */
  readonly #used = (): void => {
    this.#lastInputAt = this.#clock.now()
    if (!this.#isIdle) return
    this.#isIdle = false
    this.#checkAfter(IDLE_AFTER_MS)
    this.#onChange(false)
  }

  #checkAfter(delayMs: number): void {
    this.#cancel()
    this.#cancel = this.#clock.after(delayMs, () => {
      const leftMs = this.#lastInputAt + IDLE_AFTER_MS - this.#clock.now()
      if (leftMs > 0) {
        this.#checkAfter(leftMs)
        return
      }
      this.#isIdle = true
      this.#onChange(true)
    })
  }
}
