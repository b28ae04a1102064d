import { Latch } from './latch.ts'

/** The promises of a document to those who wait for its content. A refusal breaks them; another try makes new ones. */
export class Readiness {
  #synced = new Latch()
  #ready = new Latch()

  get whenSynced(): Promise<void> {
    return this.#synced.promise
  }

  get whenReady(): Promise<void> {
    return this.#ready.promise
  }

  synced(): void {
    this.#synced.resolve()
  }

  ready(): void {
    this.#ready.resolve()
  }

  /** `isFinal`: no local copy will come either. */
  refused(error: Error, isFinal: boolean): void {
    this.#synced.reject(error)
    if (isFinal) this.#ready.reject(error)
  }

  /** There is another chance. */
  retried(): void {
    if (this.#synced.state === 'rejected') this.#synced = new Latch()
    if (this.#ready.state === 'rejected') this.#ready = new Latch()
  }

  /** All begins anew: those who wait already go on waiting. */
  reset(): void {
    if (this.#synced.state !== 'pending') this.#synced = new Latch()
    if (this.#ready.state !== 'pending') this.#ready = new Latch()
  }
}
