/** Calls of functions that are somebody else's: so many at once, the rest in turn, and none for longer than a time. */
export class BoundedCalls {
  readonly #max: number
  readonly #timeoutMs: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(max: number, timeoutMs: number) {
    this.#max = max
    this.#timeoutMs = timeoutMs
  }

  /** What `call` answers. Rejects if it throws, or has not answered in time; what it answers later is nobody's. */
  async run<T>(call: () => T | Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>()
    const problem = `no answer within ${this.#timeoutMs} ms`
    const timer = setTimeout(() => late.reject(new Error(problem)), this.#timeoutMs)
    try {
      await this.#begin(late.promise)
      try {
        return await Promise.race([call(), late.promise])
      } finally {
        this.#end()
      }
    } finally {
      clearTimeout(timer)
    }
  }

  async #begin(late: Promise<never>): Promise<void> {
    if (this.#running < this.#max) {
      this.#running += 1
      return
    }
    const turn = Promise.withResolvers<void>()
    this.#waiting.push(turn.resolve)
    try {
      await Promise.race([turn.promise, late])
    } catch (error) {
      const index = this.#waiting.indexOf(turn.resolve)
      if (index === -1) this.#end()
      else this.#waiting.splice(index, 1)
      throw error
    }
  }

  #end(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#running -= 1
    else next()
  }
}
