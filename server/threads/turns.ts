/** What waits, by whose it is: they take turns, and of one user the first comes first. */
export class Turns<T> {
  /** Whose turn is next stands first. */
  readonly #waiting = new Map<string, T[]>()
  #size = 0

  get size(): number {
    return this.#size
  }

  add(user: string, item: T): void {
    const own = this.#waiting.get(user)
    if (own === undefined) this.#waiting.set(user, [item])
    else own.push(item)
    this.#size += 1
  }

  next(): T | undefined {
    const [turn] = this.#waiting
    if (turn === undefined) return undefined
    const [user, own] = turn
    const item = own.shift()
    this.#waiting.delete(user)
    if (own.length > 0) this.#waiting.set(user, own)
    this.#size -= 1
    return item
  }
}
