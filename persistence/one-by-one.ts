/** Calls that must not be under way at the same time: each begins when the one before is over. */
export class OneByOne {
  #last: Promise<unknown> = Promise.resolve()

  run<T>(call: () => Promise<T>): Promise<T> {
    const result = this.#last.then(call)
    this.#last = result.catch(() => {}) // told to whoever made that call
    return result
  }
}
