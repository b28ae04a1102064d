import { setTimeout } from 'node:timers/promises'
import * as Y from 'yjs'
import { editAtRandom } from '../client/tokens.ts'
import type { Random } from '../support/random.ts'
import { RawClient } from '../support/raw-client.ts'
import type { Entry } from './ledger.ts'
import type { ReplicaOptions } from './replicas.ts'

/** More than it has connections. */
const CLIENT_IDS = 1_000

/**
 * Writes into one document, on one connection after the other, each with a new Y.Doc: what it wrote is never sent
 * again, so that whatever was lost stays lost. It notes each acknowledgement of the protocol.
 */
export class FleetingWriter {
  readonly name: string
  connections = 0
  readonly #options: ReplicaOptions & { readonly document: string }
  #client: RawClient | undefined
  #sent: Entry[] = []
  #isClosed = false

  constructor(options: ReplicaOptions & { readonly document: string }) {
    this.name = options.name
    this.#options = options
    void this.#run()
  }

  edit(random: Random): void {
    const { ledger, document } = this.#options
    if (this.#client === undefined) return
    const number = this.#client.sent + 1 // of the message that the edit sends
    const edit = editAtRandom(this.#client.ydoc, random, ledger.tokens.create())
    this.#sent[number] = ledger.write(edit, document, this.name, true)
  }

  /** Resolves once what it sent is acknowledged, or its connection gone. */
  async close(): Promise<void> {
    this.#isClosed = true
    const client = this.#client
    await client?.saved().catch(() => {}) // it is fleeting
    await client?.close()
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      const client = await this.#open()
      this.#client = client
      await client?.closed
      this.#client = undefined
      await setTimeout(100)
    }
  }

  /** Undefined while nobody lets it in. */
  async #open(): Promise<RawClient | undefined> {
    const { way, document, ledger, firstClientId } = this.#options
    const ydoc = new Y.Doc()
    ydoc.clientID = firstClientId + (this.connections % CLIENT_IDS)
    this.connections += 1
    ledger.watch(ydoc, this.name)
    const sent: Entry[] = []
    this.#sent = sent
    const onAcknowledged = (number: number) => {
      const entry = sent[number]
      if (entry !== undefined) entry.isAcknowledged = true
    }
    try {
      return await RawClient.open(way, document, { user: this.name, ydoc, onAcknowledged })
    } catch {
      return undefined // an instance ends, or storage is away: the next connection will do
    }
  }
}
