import { Latch } from './latch.ts'

interface Saver {
  /** How many of the edits must be acknowledged; undefined until it is known how many were restored. */
  target: number | undefined
  readonly saved: Latch
}

/** Those who wait until the server has what was edited so far. */
export class Savers {
  #waiting: Saver[] = []

  /** Resolves once `edits` are acknowledged; with undefined, as many as there turn out to be. */
  wait(edits: number | undefined): Promise<void> {
    const saver: Saver = { target: edits, saved: new Latch() }
    this.#waiting.push(saver)
    return saver.saved.promise
  }

  /** It is known now how many edits there were before. */
  restored(edits: number): void {
    for (const saver of this.#waiting) saver.target ??= edits
  }

  acknowledged(edits: number): void {
    const isSaved = ({ target }: Saver) => target !== undefined && target <= edits
    const saved = this.#waiting.filter(isSaved)
    this.#waiting = this.#waiting.filter((saver) => !isSaved(saver))
    for (const saver of saved) saver.saved.resolve()
  }

  fail(error: Error): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const { saved } of waiting) saved.reject(error)
  }
}
