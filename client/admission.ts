/**
 * Lets documents open a few at a time: a server takes only so many that still wait for authentication on one socket
 * (100, unless it is set lower).
 */
export class Admission {
  readonly #limit: number
  readonly #inside = new Set<object>()
  #waiting: { readonly who: object; readonly enter: (isAdmitted: boolean) => void }[] = []

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Resolves with true when it is the turn of `who`, with false when the socket is closed before. */
  enter(who: object): Promise<boolean> {
    return new Promise((resolve) => {
      this.#waiting.push({ who, enter: resolve })
      this.#admit()
    })
  }

  /** `who` is authenticated, or was turned away. */
  leave(who: object): void {
    if (this.#inside.delete(who)) this.#admit()
  }

  /** The socket is closed: everybody waits anew. */
  clear(): void {
    const waiting = this.#waiting
    this.#waiting = []
    this.#inside.clear()
    for (const { enter } of waiting) enter(false)
  }

  #admit(): void {
    while (this.#inside.size < this.#limit) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.#inside.add(next.who)
      next.enter(true)
    }
  }
}
