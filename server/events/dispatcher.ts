import { setTimeout } from 'node:timers/promises'
import { Background } from './background.ts'

/** How long what is under way may go on once the server stops. */
const STOP_MS = 3_000

/** Tells others, outside, what was claimed in the log for that: many at once, and writes down what became of each. */
export abstract class Dispatcher<Outcome> extends Background {
  protected readonly underWay = new Set<Promise<void>>()
  readonly #cutOff = new AbortController()
  #outcomes: Outcome[] = []
  #writing: Promise<void> = Promise.resolve()
  #nextWriting: Promise<void> | undefined

  /** Claims nothing more, and resolves once what is under way is over, or is left to others. */
  override async stop(): Promise<void> {
    await super.stop()
    const over = Promise.all(this.underWay)
    await Promise.race([over, setTimeout(STOP_MS, undefined, { ref: false })])
    this.#cutOff.abort()
    await over
  }

  /** With it ends what is under way, which is then to be claimed again. */
  protected get cutOff(): AbortSignal {
    return this.#cutOff.signal
  }

  /** Has one under way, until `work` is over, which never rejects. */
  protected begin(work: Promise<void>): void {
    const begun = work.finally(() => this.underWay.delete(begun))
    this.underWay.add(begun)
  }

  /** Resolves once it is written. What comes while another write is under way is written together. */
  protected settle(outcome: Outcome): Promise<void> {
    this.#outcomes.push(outcome)
    this.#nextWriting ??= this.#writing.catch(() => {}).then(() => this.#write())
    return this.#nextWriting
  }

  /** In one commit. */
  protected abstract write(outcomes: readonly Outcome[]): Promise<void>

  async #write(): Promise<void> {
    const outcomes = this.#outcomes
    this.#outcomes = []
    this.#nextWriting = undefined
    this.#writing = this.write(outcomes)
    await this.#writing
  }
}
