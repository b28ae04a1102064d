import * as Y from 'yjs'

/** What tabs tell each other about one document. */
type TabMessage =
  | { readonly kind: 'update'; readonly update: Uint8Array }
  /** A tab has just opened it, or found a gap: others send what it lacks. */
  | { readonly kind: 'hello'; readonly stateVector: Uint8Array }

/**
 * The other tabs of this browser that have the same document of the same user open: each hears of the others' edits
 * at once, without a network. What came from elsewhere is not passed on: it has reached them the same way.
 */
export class Tabs {
  readonly #channel: BroadcastChannel
  #isOwn: (origin: unknown) => boolean = () => false
  #ydoc: Y.Doc | undefined
  #hasGreeted = false

  constructor(name: string) {
    this.#channel = new BroadcastChannel(name)
    this.#channel.addEventListener('message', ({ data }: MessageEvent<unknown>) => this.#receive(data))
  }

  /**
   * Shares `ydoc` from now on, in the place of the one before. `isOwn` tells of an update's origin whether it was made
   * in this tab.
   */
  share(ydoc: Y.Doc, isOwn: (origin: unknown) => boolean): void {
    this.pause()
    this.#isOwn = isOwn
    this.#ydoc = ydoc
    ydoc.on('update', this.#updated)
    // Not again after a refused change, which the others may still have.
    if (!this.#hasGreeted) this.#sayHello(ydoc)
    this.#hasGreeted = true
  }

  /** Shares nothing, and takes nothing, until the next `share`. */
  pause(): void {
    this.#ydoc?.off('update', this.#updated)
    this.#ydoc = undefined
  }

  close(): void {
    this.pause()
    this.#channel.close()
  }

  readonly #updated = (update: Uint8Array, origin: unknown): void => {
    if (this.#isOwn(origin)) this.#post({ kind: 'update', update })
  }

  #sayHello(ydoc: Y.Doc): void {
    this.#post({ kind: 'hello', stateVector: Y.encodeStateVector(ydoc) })
  }

  #post(message: TabMessage): void {
    this.#channel.postMessage(message)
  }

  #receive(data: unknown): void {
    const ydoc = this.#ydoc
    const message = readMessage(data)
    if (ydoc === undefined || message === undefined) return
    if (message.kind === 'hello') {
      const update = Y.encodeStateAsUpdate(ydoc, message.stateVector)
      this.#post({ kind: 'update', update })
      return
    }
    const wasWhole = !hasGap(ydoc)
    Y.applyUpdate(ydoc, message.update, this)
    // Something before it is missing: perhaps the others have that as well.
    if (wasWhole && hasGap(ydoc)) this.#sayHello(ydoc)
  }
}

function hasGap({ store }: Y.Doc): boolean {
  return store.pendingStructs !== null || store.pendingDs !== null
}

/** Another version of the app may run in the other tab. */
function readMessage(data: unknown): TabMessage | undefined {
  if (typeof data !== 'object' || data === null || !('kind' in data)) return undefined
  if (data.kind === 'update' && 'update' in data && data.update instanceof Uint8Array) {
    return { kind: 'update', update: data.update }
  }
  if (data.kind === 'hello' && 'stateVector' in data && data.stateVector instanceof Uint8Array) {
    return { kind: 'hello', stateVector: data.stateVector }
  }
  return undefined
}
