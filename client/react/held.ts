import type { Readable, Stop } from '../api.ts'

/** Something that is open, such as a document, and what it looks like. */
export interface Opened<T> extends Readable<T> {
  /** Called once, when nobody needs it any more. */
  release(): void
}

/**
 * Opens something for as long as somebody subscribes. React subscribes only to what it has committed, so that a render
 * that is thrown away opens nothing.
 */
export class Held<T> implements Readable<T> {
  readonly #open: () => Opened<T>
  readonly #otherwise: () => T
  #opened: Opened<T> | undefined
  #users = 0

  /** `otherwise` gives the value while it isn't open; the same object each time. */
  constructor(open: () => Opened<T>, otherwise: () => T) {
    this.#open = open
    this.#otherwise = otherwise
  }

  readonly get = (): T => (this.#opened === undefined ? this.#otherwise() : this.#opened.get())

  readonly subscribe = (listener: () => void): Stop => {
    this.#opened ??= this.#open()
    const stop = this.#opened.subscribe(listener)
    this.#users += 1
    let isStopped = false
    return () => {
      if (isStopped) return
      isStopped = true
      stop()
      // Later, so that what is mounted in the same moment, as in StrictMode or with the next page, takes it over.
      queueMicrotask(() => this.#leave())
    }
  }

  #leave(): void {
    this.#users -= 1
    if (this.#users > 0) return
    const opened = this.#opened
    this.#opened = undefined
    opened?.release()
  }
}
