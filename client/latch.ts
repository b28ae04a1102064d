/** A promise that is settled from outside, once. One that rejects unheard is no error of the process. */
export class Latch<T = void> {
  readonly promise: Promise<T>
  #resolve: (value: T) => void = () => {}
  #reject: (error: Error) => void = () => {}
  #state: 'pending' | 'resolved' | 'rejected' = 'pending'

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Whoever waits for it still sees it fail.
    this.promise.catch(() => {})
  }

  get state(): 'pending' | 'resolved' | 'rejected' {
    return this.#state
  }

  resolve(value: T): void {
    if (this.#state === 'pending') this.#state = 'resolved'
    this.#resolve(value)
  }

  reject(error: Error): void {
    if (this.#state === 'pending') this.#state = 'rejected'
    this.#reject(error)
  }
}
