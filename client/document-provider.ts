import { HocuspocusProvider } from '@hocuspocus/provider'
import type { Awareness } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import { UNDERSTANDS_REFUSALS } from '../model/refusals.ts'
import { type Frame, readFrame, updateIn } from './frames.ts'
import type { SessionSocket } from './session-socket.ts'

export interface ProviderOptions {
  readonly name: string
  readonly document: Y.Doc
  /** Null where presence isn't shared. */
  readonly awareness: Awareness | null
  readonly socket: SessionSocket
  readonly maxMessageBytes: () => number
  /** The token to open the document with. */
  readonly token: () => string
  readonly events: ProviderEvents
}

/** What happens to one document on the socket, in the order in which it happens. */
export interface ProviderEvents {
  /** The socket is open. Resolves with whether the document should be opened on it, once it is its turn. */
  onTurn(): Promise<boolean>
  onOpening(): void
  onAuthenticated(readOnly: boolean): void
  onDenied(reason: string): void
  /** The server wants a newer token soon. */
  onTokenWanted(): void
  onSynced(): void
  onSent(kind: 'full' | 'update'): void
  onAnswered(applied: boolean): void
  onTooBig(update: Uint8Array): void
  onStateless(payload: string): void
  /** The socket is closed, or the server has closed this document on it. */
  onClosed(): void
}

/** Hocuspocus' provider of one document, with what it does on a socket made visible, and in our order. */
export class DocumentProvider extends HocuspocusProvider {
  readonly #events: ProviderEvents
  readonly #maxMessageBytes: () => number
  /** Whether it waits for its turn, on this connection. */
  #isWaiting = false
  /** Whether the server has been sent all that it lacked, over the present connection. */
  #isCaughtUp = false

  constructor({ name, document, awareness, socket, maxMessageBytes, token, events }: ProviderOptions) {
    super({ name, document, awareness, websocketProvider: socket, token })
    this.#events = events
    this.#maxMessageBytes = maxMessageBytes
    this.on('authenticated', ({ scope }: { scope: string }) => events.onAuthenticated(scope === 'readonly'))
    this.on('authenticationFailed', ({ reason }: { reason: string }) => this.#denied(reason))
    this.on('stateless', ({ payload }: { payload: string }) => events.onStateless(payload))
    this.on('close', () => this.#closed())
  }

  /** The stock provider takes any acknowledgement for a sync; here only the server's content is one. */
  override onMessage(event: MessageEvent<ArrayBuffer>): void {
    const kind = readFrame(new Uint8Array(event.data))?.kind
    super.onMessage(event)
    if (kind === 'full') this.#events.onSynced()
    else if (kind === 'applied' || kind === 'rejected') this.#events.onAnswered(kind === 'applied')
  }

  /** The socket has opened, or this document is attached to an open one. */
  override async onOpen(event: Event): Promise<void> {
    this.isAuthenticated = false
    this.emit('open', { event })
    await this.reopen()
  }

  /** Opens the document on the open socket, also after it was denied or closed there. */
  async reopen(): Promise<void> {
    if (this.#isWaiting) return
    this.#isWaiting = true
    const isTurn = await this.#events.onTurn()
    this.#isWaiting = false
    if (!isTurn || !this.isAttached) return
    this.#isCaughtUp = false
    this.#events.onOpening()
    await this.presentToken()
    this.startSync()
  }

  /** Sends the present token, which may be a newer one for a document that is open. */
  async presentToken(): Promise<void> {
    await super.sendToken()
  }

  /** The server asks for a newer token. */
  override async sendToken(): Promise<void> {
    this.#events.onTokenWanted()
  }

  /** Refusals are asked for in words before anything is sent that could be refused. */
  override startSync(): void {
    this.sendStateless(UNDERSTANDS_REFUSALS)
    super.startSync()
  }

  /** Asks both sides for what the other one lacks, once more. */
  syncAgain(): void {
    this.#isCaughtUp = false
    super.startSync()
  }

  /** Edits made before the server has what came before them go with that. */
  override documentUpdateHandler(update: Uint8Array, origin: unknown): void {
    if (this.#isCaughtUp) super.documentUpdateHandler(update, origin)
  }

  /** The server takes away what a connection showed when that ends; a page that comes back is still shown. */
  override pageHide(): void {}

  /** The stock one, called a second time, would take its successor of the same name off the socket. */
  override detach(): void {
    if (this.isAttached) super.detach()
  }

  /** Whether a frame may leave; it does then. */
  admits({ kind }: Frame, bytes: Uint8Array): boolean {
    if (kind !== 'full' && kind !== 'update') return true
    if (bytes.length > this.#maxMessageBytes()) {
      this.#isCaughtUp = false
      this.#events.onTooBig(updateIn(bytes))
      return false
    }
    if (kind === 'full') this.#isCaughtUp = true
    this.#events.onSent(kind)
    return true
  }

  #denied(reason: string): void {
    this.#isCaughtUp = false
    this.#events.onDenied(reason)
  }

  #closed(): void {
    this.#isCaughtUp = false
    this.#events.onClosed()
  }
}
