import type { Stop } from './api.ts'

/** Those who want to hear of something. One that throws keeps nobody else from hearing, and its error is reported. */
export class Listeners<T> {
  readonly #all = new Set<(value: T) => void>()

  add(listener: (value: T) => void): Stop {
    // A wrapper, so that one function can be added twice and each ended on its own.
    const own = (value: T) => listener(value)
    this.#all.add(own)
    return () => {
      this.#all.delete(own)
    }
  }

  tell(value: T): void {
    for (const listener of [...this.#all]) {
      try {
        listener(value)
      } catch (error) {
        // The app's own mistake goes where its mistakes go, without stopping the library half-way.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }

  clear(): void {
    this.#all.clear()
  }
}
