import * as Y from 'yjs'
import { CoweaveError } from '../../model/errors.ts'
import { StorageError } from '../../persistence/storage-error.ts'
import { BoundedCalls } from '../access/bounded-calls.ts'
import { checkUpdate } from './check-update.ts'
import type { Durability } from './durability.ts'
import { SERVER } from './open-document.ts'

/** What a document begins with, as a Y.Doc or an update; undefined for nothing. */
export type SeedContent = Y.Doc | Uint8Array | undefined

/**
 * Asked for a free-form document of which nothing is stored, before anybody sees it. Several instances may ask at once,
 * and get different answers: one of them is what the document begins with.
 */
export type Seed = (document: string) => SeedContent | Promise<SeedContent>

export interface SeedingOptions {
  readonly seed: Seed
  readonly durability: Durability
  readonly timeoutMs: number
  readonly maxBytes: number
}

const MAX_RUNNING = 50

/** Gives new documents what they begin with, exactly once: the log takes it for an empty document only. */
export class Seeding {
  readonly #options: SeedingOptions
  readonly #calls: BoundedCalls

  constructor(options: SeedingOptions) {
    this.#options = options
    this.#calls = new BoundedCalls(MAX_RUNNING, options.timeoutMs)
  }

  /**
   * Asks for the content of a document and stores it, unless somebody has written the document meanwhile. Returns whether
   * there was any: then the log has something of the document.
   * @throws {CoweaveError} `document/seed-failed`  @throws {StorageError} `storage/unavailable`
   */
  async plant(document: string, epoch: number): Promise<boolean> {
    const { durability } = this.#options
    const data = await this.#contentOf(document)
    if (data === undefined) return false
    const clients = [...checkUpdate(data).ranges.keys()]
    const position = await new Promise((resolve) => {
      const update = { document, at: Date.now(), author: SERVER, data, clients, epoch, expects: { position: 0 } }
      durability.append(update, resolve)
    })
    if (position === undefined) throw new StorageError('storage/unavailable', `${document} could not be begun now`)
    return true
  }

  async #contentOf(document: string): Promise<Uint8Array | undefined> {
    try {
      const content = await this.#calls.run(() => this.#options.seed(document))
      if (content === undefined) return undefined
      return wholeUpdate(content, this.#options.maxBytes)
    } catch (cause) {
      throw new CoweaveError('document/seed-failed', `what ${document} begins with is not known now; try again later`, {
        cause,
      })
    }
  }
}

/** What is in `content`, if it is anything. @throws {Error} for what can't be all of a document */
function wholeUpdate(content: Y.Doc | Uint8Array, maxBytes: number): Uint8Array | undefined {
  const given = content instanceof Uint8Array ? content : Y.encodeStateAsUpdate(content)
  if (given.length > maxBytes) throw new RangeError(`the seed has ${given.length} bytes, and a document ${maxBytes}`)
  checkUpdate(given)
  const whole = new Y.Doc()
  Y.applyUpdate(whole, given)
  const { clients, pendingStructs, pendingDs } = whole.store
  if (pendingStructs !== null || pendingDs !== null) throw new Error('the seed is a part of a document')
  return clients.size === 0 ? undefined : given
}
