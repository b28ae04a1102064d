import { hocuspocus } from './dialects.ts'
import { RawClient } from './raw-client.ts'
import { Typist } from './typist.ts'

/**
 * One writer of one document: types at the end of its text and keeps `window` updates ahead of their acknowledgements. It
 * costs less than the servers it measures.
 */
export class Writer {
  acknowledged = 0
  readonly name: string
  readonly #client: RawClient
  readonly #token: string
  readonly #window: number
  readonly #typist = new Typist()
  #outstanding = 0
  #writing = false
  #scheduled = false
  #synced = () => {}
  #idle = () => {}

  /** Resolves once it is connected; open() opens the document. */
  static async connect(url: string, name: string, token: string, window: number): Promise<Writer> {
    return new Writer(await RawClient.open(url), name, token, window)
  }

  private constructor(client: RawClient, name: string, token: string, window: number) {
    this.name = name
    this.#client = client
    this.#token = token
    this.#window = window
    client.onMessage = (message) => this.#receive(message)
  }

  /** How many letters it has written. */
  get length(): number {
    return this.#typist.length
  }

  /** Resolves once the server has sent the document. */
  open(): Promise<void> {
    this.#client.send(...hocuspocus.opening(this.name, this.#token))
    return new Promise((resolve) => {
      this.#synced = resolve
    })
  }

  start(): void {
    this.#writing = true
    this.#fill()
  }

  /** Stops writing; resolves once all is acknowledged. */
  stop(): Promise<void> {
    this.#writing = false
    return new Promise((resolve) => {
      this.#idle = resolve
      if (this.#outstanding === 0) resolve()
    })
  }

  close(): void {
    this.#client.close()
  }

  #receive(message: Buffer): void {
    const kind = hocuspocus.read(message)?.kind
    if (kind === 'acknowledgement') this.#acknowledge()
    else if (kind === 'content') this.#synced()
  }

  #acknowledge(): void {
    // Stock acknowledges the answer to its own first sync message as well, before anything was written.
    if (this.#outstanding === 0) return
    this.acknowledged += 1
    this.#outstanding -= 1
    if (this.#outstanding === 0 && !this.#writing) this.#idle()
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#fill()
    })
  }

  #fill(): void {
    if (!this.#writing) return
    const updates = Array.from({ length: this.#window - this.#outstanding }, () => this.#typist.type())
    this.#outstanding += updates.length
    this.#client.send(...updates.map((update) => hocuspocus.update(this.name, update)))
  }
}
