import { Distribution, SECONDS } from './distribution.ts'

/** What went through all connections of clients since the start: plain numbers, since each message changes them. */
export class Traffic {
  messages = 0
  messageBytes = 0
  frames = 0
  frameBytes = 0
  /** From when a message came until its acknowledgement was written, seconds. */
  readonly acknowledgements = new Distribution(SECONDS)
  /** From when something was to be told, such as what somebody else wrote, until it was written, seconds. */
  readonly broadcasts = new Distribution(SECONDS)
  /** By their code, such as `document/client-id-taken`. */
  readonly refusals = new Map<string, number>()
  /** Connections that the server closed, by close code. */
  readonly closes = new Map<string, number>()

  refused(code: string): void {
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1)
  }

  closed(code: number): void {
    const label = String(code)
    this.closes.set(label, (this.closes.get(label) ?? 0) + 1)
  }
}
