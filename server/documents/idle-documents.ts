import type { OpenDocument } from './open-document.ts'

/** What a document takes besides its content. */
const EMPTY_BYTES = 16 * 1024
/** What Yjs takes for one struct: of a text written here and there, many times what its characters take. */
const STRUCT_BYTES = 250

export interface IdleLimits {
  /** How long a document stays that nobody has open, ms. */
  readonly timeMs: number
  /** What all of them may take together, as far as that can be estimated. */
  readonly maxBytes: number
}

interface Idle {
  readonly bytes: number
  /** By `performance.now()`. */
  readonly until: number
  /** Has Hocuspocus unload it, which asks `keeps` once more. */
  readonly unload: () => Promise<void>
}

/**
 * The documents that nobody has open, and that stay in memory for a while all the same: whoever reloads a page or
 * reconnects finds them there. Those that were left first go first, when their time is up or the others need the room.
 */
export class IdleDocuments {
  readonly #limits: IdleLimits
  /** In the order in which they were left. */
  readonly #idle = new Map<OpenDocument, Idle>()
  readonly #leaving = new Set<OpenDocument>()
  #bytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(limits: IdleLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#idle.size
  }

  /** Whether `document` stays, which its last user has just left. If so, `unload` is called when it has to go. */
  keeps(document: OpenDocument, unload: () => Promise<void>): boolean {
    const { timeMs, maxBytes } = this.#limits
    this.remove(document)
    const bytes = memoryOf(document)
    if (this.#leaving.has(document) || timeMs === 0 || bytes > maxBytes) return false
    this.#makeRoom(bytes)
    this.#idle.set(document, { bytes, until: performance.now() + timeMs, unload })
    this.#bytes += bytes
    this.#timer ??= setTimeout(this.#expire, timeMs).unref()
    return true
  }

  /** It is used again, or gone. */
  remove(document: OpenDocument): void {
    this.#bytes -= this.#idle.get(document)?.bytes ?? 0
    this.#idle.delete(document)
  }

  /** Has a document unloaded now that nobody has open. */
  drop(document: OpenDocument): void {
    const idle = this.#idle.get(document)
    if (idle !== undefined) this.#unload(document, idle.unload)
  }

  /** Has none of them unloaded any more. */
  close(): void {
    clearTimeout(this.#timer)
    this.#idle.clear()
  }

  #makeRoom(bytes: number): void {
    for (const [document, { unload }] of this.#idle) {
      if (this.#bytes + bytes <= this.#limits.maxBytes) return
      this.#unload(document, unload)
    }
  }

  readonly #expire = (): void => {
    this.#timer = undefined
    const now = performance.now()
    for (const [document, { until, unload }] of this.#idle) {
      if (until > now) {
        this.#timer = setTimeout(this.#expire, until - now).unref()
        return
      }
      this.#unload(document, unload)
    }
  }

  #unload(document: OpenDocument, unload: () => Promise<void>): void {
    this.remove(document)
    this.#leaving.add(document)
    void unload().finally(() => this.#leaving.delete(document))
  }
}

function memoryOf({ ydoc, bytes, answerBytes }: OpenDocument): number {
  let structs = 0
  for (const { length } of ydoc.store.clients.values()) structs += length
  return EMPTY_BYTES + bytes + answerBytes + STRUCT_BYTES * structs
}
