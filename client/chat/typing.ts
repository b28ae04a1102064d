const STOPS_AFTER_MS = 3_000
const BETWEEN_FRAMES_MS = 1_000

/**
 * Tells the others that one is typing: at most one frame a second, and it stops by itself when no key was pressed for
 * three seconds.
 */
export class Typing {
  readonly #show: (typing: boolean) => void
  #wanted = false
  #shown = false
  #lastFrameAt = Number.NEGATIVE_INFINITY
  #stopTimer: ReturnType<typeof setTimeout> | undefined
  #frameTimer: ReturnType<typeof setTimeout> | undefined

  /** `show` sends a frame. */
  constructor(show: (typing: boolean) => void) {
    this.#show = show
  }

  key(): void {
    this.#wanted = true
    clearTimeout(this.#stopTimer)
    this.#stopTimer = setTimeout(() => this.stop(), STOPS_AFTER_MS)
    this.#update()
  }

  stop(): void {
    this.#wanted = false
    clearTimeout(this.#stopTimer)
    this.#update()
  }

  /** Ends it at once: nothing is sent later. */
  destroy(): void {
    clearTimeout(this.#stopTimer)
    clearTimeout(this.#frameTimer)
    this.#wanted = false
    if (this.#shown) this.#show(false)
    this.#shown = false
  }

  #update(): void {
    clearTimeout(this.#frameTimer)
    if (this.#wanted === this.#shown) return
    const wait = this.#lastFrameAt + BETWEEN_FRAMES_MS - performance.now()
    if (wait > 0) {
      this.#frameTimer = setTimeout(() => this.#update(), Math.ceil(wait))
      return
    }
    this.#lastFrameAt = performance.now()
    this.#shown = this.#wanted
    this.#show(this.#wanted)
  }
}
