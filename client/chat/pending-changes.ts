import type * as Y from 'yjs'

interface PendingChange {
  readonly id: string
  readonly apply: (message: Y.Map<unknown>) => void
}

/** Changes of messages that can't be written now: their part of the room is not here, or is just being replaced. */
export class PendingChanges {
  #changes: readonly PendingChange[] = []

  get isEmpty(): boolean {
    return this.#changes.length === 0
  }

  add(id: string, apply: PendingChange['apply']): void {
    this.#changes = [...this.#changes, { id, apply }]
  }

  /** Forgets what was to be done to the message `id`. */
  drop(id: string): void {
    this.#changes = this.#changes.filter((change) => change.id !== id)
  }

  /**
   * Makes those whose message `find` has by now. What `mayCome` says won't come is given up; returns whether any was.
   */
  flush(find: (id: string) => Y.Map<unknown> | undefined, mayCome: (id: string) => boolean): boolean {
    const changes = this.#changes
    // First, so that whatever a change sets off does not see it again.
    this.#changes = []
    const waiting: PendingChange[] = []
    let isGivenUp = false
    for (const change of changes) {
      const message = find(change.id)
      if (message !== undefined) change.apply(message)
      else if (mayCome(change.id)) waiting.push(change)
      else isGivenUp = true
    }
    this.#changes = [...waiting, ...this.#changes]
    return isGivenUp
  }
}
