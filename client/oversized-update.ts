import { readUploadFailure } from './refusal.ts'
import type { SessionContext } from './session-context.ts'

export type UploadFailure = ReturnType<typeof readUploadFailure>

export interface UploadEvents {
  /** The server has it on its disk: a sync brings the small rest. */
  onDone(): void
  onFailed(failure: UploadFailure): void
}

/** Takes updates that are too big for the socket up over HTTP, one at a time. */
export class OversizedUpdate {
  readonly #name: string
  readonly #context: SessionContext
  readonly #events: UploadEvents
  #current: AbortController | undefined

  constructor(name: string, context: SessionContext, events: UploadEvents) {
    this.#name = name
    this.#context = context
    this.#events = events
  }

  /** Nothing happens while another one is under way: the sync after it brings this one too. */
  async send(update: Uint8Array): Promise<void> {
    if (this.#current !== undefined) return
    const { url, schema, tokens, uploadUpdate } = this.#context
    if (uploadUpdate === undefined) {
      const message = `an update of ${update.length} bytes is more than the server takes`
      this.#events.onFailed({ kind: 'refused', refusal: { reason: 'too-big', message } })
      return
    }
    const controller = new AbortController()
    const { signal } = controller
    this.#current = controller
    const token = async () => (await tokens.get()).text
    try {
      await uploadUpdate({ url, name: this.#name, update, token, schema, signal })
      this.#end(controller, () => this.#events.onDone())
    } catch (error) {
      this.#end(controller, () => this.#events.onFailed(readUploadFailure(error)))
    }
  }

  /** The connection is gone: the next one begins with a sync, which shows whether it is still needed. */
  abort(): void {
    this.#current?.abort()
    this.#current = undefined
  }

  #end(controller: AbortController, tell: () => void): void {
    if (this.#current !== controller) return
    this.#current = undefined
    tell()
  }
}
