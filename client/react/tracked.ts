import { useMemo, useSyncExternalStore } from 'react'
import type { Readable } from '../api.ts'

/**
 * Gives an object that is another one only once a field has changed that was read from it: a component that doesn't
 * show how many edits are unsaved doesn't render with each key.
 */
class Tracker<T extends object> {
  readonly #source: Readable<T>
  readonly #read = new Set<PropertyKey>()
  #last: { readonly value: T; readonly tracked: T } | undefined

  constructor(source: Readable<T>) {
    this.#source = source
  }

  readonly get = (): T => {
    const value = this.#source.get()
    if (this.#last === undefined || this.#differs(this.#last.value, value))
      this.#last = { value, tracked: this.#track(value) }
    return this.#last.tracked
  }

  #differs(one: T, other: T): boolean {
    return one !== other && [...this.#read].some((key) => !Object.is(Reflect.get(one, key), Reflect.get(other, key)))
  }

  #track(value: T): T {
    const tracked: T = new Proxy(value, {
      get: (target, key) => {
        this.#read.add(key)
        // What was not read before may be old by now: nothing was rendered again for it.
        return Reflect.get(this.#last?.tracked === tracked ? this.#source.get() : target, key)
      },
    })
    return tracked
  }
}

/** The source's value; renders again only when a field that was read has changed. `server` is shown before it is known. */
export function useTracked<T extends object>(source: Readable<T>, server: T): T {
  const tracker = useMemo(() => new Tracker(source), [source])
  return useSyncExternalStore(source.subscribe, tracker.get, () => server)
}
