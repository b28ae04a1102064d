import type { Readable, Stop } from './api.ts'
import { Listeners } from './listeners.ts'

/** A value that changes, and tells who listens. */
export class Store<T> implements Readable<T> {
  #value: T
  readonly #listeners = new Listeners<void>()

  constructor(value: T) {
    this.#value = value
  }

  readonly get = (): T => this.#value

  /** Listeners are called unless it is the value that there is. */
  set(value: T): void {
    if (Object.is(value, this.#value)) return
    this.#value = value
    this.#listeners.tell()
  }

  readonly subscribe = (listener: () => void): Stop => this.#listeners.add(listener)
}
