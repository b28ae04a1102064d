import { HocuspocusProvider } from '@hocuspocus/provider'
import * as Y from 'yjs'
import { mayRetryUnchanged } from '../../../model/close-codes.ts'
import { decodeRefusal, type RefusalNotice, UNDERSTANDS_REFUSALS } from '../../../model/refusals.ts'
import type { Identity } from '../identity.ts'
import { type Session, TokenError } from '../session.ts'
import { Store } from '../store.ts'
import { type Frame, readFrame } from './frames.ts'
import { LocalCopy } from './local-copy.ts'
import type { PageSocket } from './page-socket.ts'
import { followPeople, type Person } from './people.ts'
import {
  afterFact,
  type Fact,
  hasUnsafeEdits,
  initialSaveState,
  isSaved,
  type Refusal,
  refusalFor,
  type SaveState,
  type SaveStatus,
  statusOf,
  unacknowledgedEdits,
} from './save-state.ts'

export interface DocumentView {
  readonly status: SaveStatus
  /** There is something true to show: a local copy with text in it, or the server's content, which may be empty. */
  readonly ready: boolean
  /** Closing the page now would lose nothing: the server or the browser's storage has every edit. */
  readonly kept: boolean
}

/** What a document is used for. */
export interface DocumentKind {
  /** Whether a copy of it holds something worth showing before the server has been asked. */
  hasContent(doc: Y.Doc): boolean
  /** Who has it open is shown to the others. */
  readonly showsPeople: boolean
  /** Has rules: a refused change is told and the connection stays; being denied it denies nothing else on the page. */
  readonly isRoom: boolean
}

export const textDocument: DocumentKind = {
  hasContent: (doc) => doc.getXmlFragment('default').length > 0,
  showsPeople: true,
  isRoom: false,
}

/** Asks for refusals in words before anything is sent that could be refused. */
class RoomProvider extends HocuspocusProvider {
  override startSync(): void {
    this.sendStateless(UNDERSTANDS_REFUSALS)
    super.startSync()
  }
}

/** One open document: its Y.Doc, this browser's copy of it, and its place on the page's socket. */
export class DocumentSession {
  readonly name: string
  readonly doc = new Y.Doc()
  readonly provider: HocuspocusProvider
  readonly people: Store<readonly Person[]>
  readonly view = new Store<DocumentView>({ status: { kind: 'connecting' }, ready: false, kept: true })

  readonly #session: Session
  readonly #socket: PageSocket
  readonly #kind: DocumentKind
  readonly #refusalListeners = new Set<(notice: RefusalNotice) => void>()
  #state: SaveState = initialSaveState
  #copy: LocalCopy | undefined
  #ready = false
  #triedFreshToken = false
  #tokenRefused = false
  #deliberate = false
  #destroyed = false

  constructor(name: string, session: Session, socket: PageSocket, kind: DocumentKind) {
    this.name = name
    this.#kind = kind
    this.#session = session
    this.#socket = socket
    // Before the provider listens too: an edit must be counted before its frame is seen leaving.
    this.doc.on('update', (_update: Uint8Array, _origin: unknown, _doc: Y.Doc, transaction: Y.Transaction) => {
      if (transaction.local) this.#take({ type: 'edited' })
    })
    this.provider = new (kind.isRoom ? RoomProvider : HocuspocusProvider)({
      name,
      document: this.doc,
      websocketProvider: socket,
      token: () => this.#token(),
      ...(kind.showsPeople ? {} : { awareness: null }),
    })
    const { awareness } = this.provider
    this.people = awareness === null ? new Store<readonly Person[]>([]) : followPeople(awareness)
    this.showAs(session.identity)
    this.#listen()
    void this.#start()
  }

  get isSaved(): boolean {
    return isSaved(this.#state)
  }

  get unacknowledged(): number {
    return unacknowledgedEdits(this.#state)
  }

  /** Closing the page would lose edits: neither the server nor the browser's storage has them. */
  get wouldLoseEdits(): boolean {
    return hasUnsafeEdits(this.#state)
  }

  /** The server's content is here, and edits reach it. */
  get isOnline(): boolean {
    return this.provider.isAuthenticated && this.provider.isSynced
  }

  /** Calls `listener` when the server has refused a change: from then on this copy differs from the server's. */
  onRefusedChange(listener: (notice: RefusalNotice) => void): void {
    this.#refusalListeners.add(listener)
  }

  showAs({ id, name, color }: Identity): void {
    if (this.#kind.showsPeople) this.provider.setAwarenessField('user', { id, name, color })
  }

  /** Leaves the others' lists while the last edits are still on their way. */
  hide(): void {
    this.provider.awareness?.setLocalState(null)
  }

  /** The page is about to close the socket and connect again: nothing to worry the user with. */
  expectReconnect(): void {
    this.#deliberate = true
  }

  /** The page's socket has sent a frame of this document. */
  frameSent({ kind }: Frame): void {
    if (kind === 'full' || kind === 'update') this.#take({ type: 'sent', frame: kind })
  }

  retry(): void {
    this.#triedFreshToken = false
    this.#session.forgetToken()
    this.#take({ type: 'retried' })
    this.expectReconnect()
    this.#socket.drop('trying again')
    this.#socket.start()
  }

  /** Deletes this browser's copy, with the edits that only it has. */
  async discardCopy(): Promise<void> {
    await this.#copy?.discard()
    this.#copy = undefined
  }

  /** Closes it at once and deletes this browser's copy: what only that has is lost. */
  async abandon(): Promise<void> {
    const copy = this.#copy
    this.destroy()
    await copy?.discard()
  }

  destroy(): void {
    this.#destroyed = true
    this.provider.destroy()
    this.#copy?.close()
    this.doc.destroy()
  }

  /** The local copy comes first, so that only what the server lacks is sent, and counted, once. */
  async #start(): Promise<void> {
    const copy = await LocalCopy.open(`coweave/${this.#session.identity.id}/${this.name}`, this.doc, {
      onStored: (edits) => this.#take({ type: 'stored', edits }),
      onFailed: () => this.#take({ type: 'unkept' }),
    })
    const unacknowledged = (await copy?.restored().catch(() => 0)) ?? 0
    if (this.#destroyed) {
      copy?.close()
      return
    }
    this.#copy = copy
    if (this.#kind.hasContent(this.doc)) this.#ready = true
    this.#take({ type: 'restored', unacknowledged, kept: copy !== undefined })
    this.provider.attach()
    this.#socket.start()
  }

  #listen(): void {
    const { provider } = this
    provider.on('open', () => {
      this.#deliberate = false
      this.#take({ type: 'opened' })
    })
    provider.on('authenticated', ({ scope }: { scope: string }) => {
      this.#triedFreshToken = false
      this.#take({ type: 'authenticated', readOnly: scope === 'readonly' })
      // The others saw this client leave at this clock; only a later one brings it back before the next heartbeat.
      const { awareness } = provider
      awareness?.setLocalState(awareness.getLocalState())
    })
    provider.on('synced', () => {
      this.#ready = true
      this.#take({ type: 'synced' })
    })
    provider.on('message', ({ event }: { event: MessageEvent<ArrayBuffer> }) => {
      const kind = readFrame(new Uint8Array(event.data))?.kind
      if (kind === 'applied' || kind === 'rejected') this.#take({ type: 'answered', applied: kind === 'applied' })
    })
    provider.on('close', ({ event }: { event: { code: number; reason: string } }) => {
      this.#take({ type: 'closed', deliberate: this.#deliberate })
      if (!mayRetryUnchanged(event.code)) this.#refused(refusalFor(event.code, event.reason))
      else if (this.#socket.webSocket?.readyState === WebSocket.OPEN) this.#socket.drop('only this document was closed')
    })
    provider.on('stateless', ({ payload }: { payload: string }) => {
      const notice = decodeRefusal(payload)
      if (notice !== undefined) for (const listener of this.#refusalListeners) listener(notice)
    })
    provider.on('authenticationFailed', ({ reason }: { reason: string }) => this.#authenticationFailed(reason))
  }

  /** The provider turns a failure into words; why it failed is noted for `#authenticationFailed`. */
  async #token(): Promise<string> {
    try {
      this.#tokenRefused = false
      return await this.#session.token()
    } catch (error) {
      this.#tokenRefused = error instanceof TokenError && error.reason === 'refused'
      throw error
    }
  }

  #authenticationFailed(reason: string): void {
    if (this.#session.view.get().tokenMissing) return // the page says so
    if (this.#tokenRefused) {
      this.#take({ type: 'refused', refusal: { reason: 'unauthorized', message: 'no token for this name' } })
      this.#socket.stop()
      return
    }
    // No token could be fetched, or the server can't check or load just now: come back a little later.
    if (/^Failed to get token|unavailable|load-failed|^storage\/(?!corrupt)/.test(reason)) this.#socket.drop(reason)
    else this.#refused({ reason: refusedBecause(reason), message: reason })
  }

  /** A refused token may only be old: a fresh one gets one try, without asking the user. */
  #refused(refusal: Refusal): void {
    if (refusal.reason === 'unauthorized' && !this.#triedFreshToken && this.#session.forgetToken()) {
      this.#triedFreshToken = true
      this.expectReconnect()
      if (this.#socket.webSocket !== null) this.#socket.drop('fresh token')
      this.#socket.start()
      return
    }
    this.#take({ type: 'refused', refusal })
    if (!this.#kind.isRoom) this.#socket.stop()
  }

  #take(fact: Fact): void {
    if (this.#destroyed) return
    this.#state = afterFact(this.#state, fact)
    this.#copy?.note({ edits: this.#state.edits, unacknowledged: this.unacknowledged })
    const status = statusOf(this.#state)
    const next = { status, ready: this.#ready, kept: !this.wouldLoseEdits }
    if (JSON.stringify(this.view.get()) !== JSON.stringify(next)) this.view.set(next)
  }
}

/** Hocuspocus sends words where a socket would be closed with a code. */
function refusedBecause(reason: string): Refusal['reason'] {
  if (/token|unauthori[sz]ed|expired/i.test(reason)) return 'unauthorized'
  return /grant|forbidden|denied/i.test(reason) ? 'forbidden' : 'other'
}
