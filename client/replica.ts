import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { decodeCrowd } from '../model/crowd.ts'
import { decodeRefusal, type RefusalNotice, SCHEMA_TOO_OLD } from '../model/refusals.ts'
import type { DocumentState } from './api.ts'
import { retryDelayMs } from './back-off.ts'
import { DocumentProvider } from './document-provider.ts'
import { isFromCopy } from './local-copy.ts'
import { OversizedUpdate, type UploadFailure } from './oversized-update.ts'
import { showUser } from './presence.ts'
import type { PresenceFields } from './presence-fields.ts'
import { type Denial, readDenial, SCHEMA_RULE } from './refusal.ts'
import { afterFact, type Fact, initialSaveState, type SaveState } from './save-state.ts'
import type { SessionContext } from './session-context.ts'
import { Tabs } from './tabs.ts'

export interface ReplicaEvents {
  /** Whether it should be opened with the present token. */
  mayOpen(): boolean
  onChange(): void
  onSynced(): void
  /** The server has refused a change of this replica: it will never have what this one has. */
  onRefusedChange(notice: RefusalNotice): void
  onDenied(denial: Denial): void
  /** A stateless message that is not about this replica. */
  onStateless(message: string): void
}

export interface ReplicaOptions {
  readonly name: string
  readonly context: SessionContext
  /** Whether presence is shared. */
  readonly presence: boolean
  readonly events: ReplicaEvents
}

/** One Y.Doc and its place on the socket: what of it was sent and acknowledged, and whether it has the server's content. */
export class Replica {
  readonly ydoc = new Y.Doc()
  readonly #options: ReplicaOptions
  readonly #provider: DocumentProvider
  #awareness: Awareness | undefined
  #save: SaveState = initialSaveState
  #isAuthenticated = false
  #unseenPeople = 0
  #isSynced = false
  #hasSynced = false
  /** The sync steps of this connection are not all done. */
  #isAsking = false
  #readOnly: DocumentState['readOnly'] = false
  #isSchemaTooOld = false
  #failures = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  readonly #oversized: OversizedUpdate
  #fields: PresenceFields | undefined

  constructor(options: ReplicaOptions) {
    this.#options = options
    const { name, context, presence } = options
    // Before the provider listens too: an edit must be counted before its frame is seen leaving.
    this.ydoc.on('update', (_update: Uint8Array, origin: unknown) => {
      if (this.isOwn(origin)) this.take({ type: 'edited' })
    })
    this.#oversized = new OversizedUpdate(name, context, {
      onDone: () => this.#syncAgain(),
      onFailed: (failure) => this.#uploadFailed(failure),
    })
    if (presence) this.#awareness = new Awareness(this.ydoc)
    this.#awareness?.setLocalState(null)
    this.#provider = new DocumentProvider({
      name,
      document: this.ydoc,
      awareness: this.#awareness ?? null,
      socket: context.connection.socket,
      maxMessageBytes: () => context.sizes.limit,
      token: () => context.tokens.current?.text ?? '',
      events: {
        onTurn: async () => options.events.mayOpen() && (await context.connection.admission.enter(this)),
        onOpening: () => this.#opening(),
        onAuthenticated: (readOnly) => this.#authenticated(readOnly),
        onDenied: (reason) => this.#denied(reason),
        onTokenWanted: () => this.#tokenWanted(),
        onSynced: () => this.#synced(),
        onSent: (frame) => this.#sent(frame),
        onAnswered: (applied) => this.#answered(applied),
        onTooBig: (update) => this.#tooBig(update),
        onStateless: (payload) => this.#stateless(payload),
        onClosed: () => this.#closed(),
      },
    })
  }

  get save(): SaveState {
    return this.#save
  }

  get isAuthenticated(): boolean {
    return this.#isAuthenticated
  }

  /** The server's content has arrived over the present connection. */
  get isSynced(): boolean {
    return this.#isSynced
  }

  /** How many more users have it open than the awareness tells. */
  get unseenPeople(): number {
    return this.#unseenPeople
  }

  /** The server's content has arrived, over this connection or another. */
  get hasSynced(): boolean {
    return this.#hasSynced
  }

  /** Sync steps are on their way that are meant for this replica alone. */
  get isAsking(): boolean {
    return this.#isAsking
  }

  get readOnly(): DocumentState['readOnly'] {
    return this.#readOnly
  }

  /** One that nobody else sees, where presence isn't shared. */
  get awareness(): Awareness {
    this.#awareness ??= new Awareness(this.ydoc)
    return this.#awareness
  }

  /** Whether an update with this origin was made here, rather than came from the server, the copy or another tab. */
  isOwn(origin: unknown): boolean {
    return origin !== this.#provider && !isFromCopy(origin) && !(origin instanceof Tabs)
  }

  take(fact: Fact): void {
    this.#save = afterFact(this.#save, fact)
    this.#options.events.onChange()
  }

  /** Takes its place on the socket. */
  attach(): void {
    this.#provider.attach()
  }

  /** Leaves the socket; the Y.Doc stays. */
  detach(): void {
    this.#options.context.connection.admission.leave(this)
    clearTimeout(this.#timer)
    this.#oversized.abort()
    if (this.#provider.isAttached) this.#provider.detach()
    this.#reset()
  }

  destroy(): void {
    this.detach()
    this.#provider.destroy()
    // Its awareness goes with it.
    this.ydoc.destroy()
  }

  /** Whether it was sent. */
  sendStateless(message: string): boolean {
    if (this.#isAuthenticated) this.#provider.sendStateless(message)
    return this.#isAuthenticated
  }

  /** A new token is there: presents it, or opens with it what the last one could not. */
  tokenCame(): void {
    if (!this.#provider.isAttached || !this.#options.context.connection.socket.isOpen) return
    if (this.#isAuthenticated && this.#readOnly === false) void this.#provider.presentToken()
    else if (this.#isAuthenticated) this.#reattach()
    else if (!this.#isAsking) void this.#provider.reopen()
  }

  /** Shows the user here with `fields`; undefined hides them. */
  show(fields: PresenceFields | undefined): void {
    this.#fields = fields
    if (!this.#options.presence) return
    const { user, current } = this.#options.context.tokens
    showUser(this.awareness, user === undefined ? undefined : { user, name: current?.name ?? user }, fields)
  }

  #reset(): void {
    this.#unseenPeople = 0
    this.#isAuthenticated = false
    this.#isSynced = false
    this.#isAsking = false
    this.take({ type: 'disconnected' })
  }

  #opening(): void {
    this.#reset()
    this.#isSchemaTooOld = false
    this.#isAsking = true
  }

  #authenticated(readOnly: boolean): void {
    const { connection } = this.#options.context
    connection.admission.leave(this)
    connection.accepted()
    this.#isAuthenticated = true
    this.#readOnly = this.#isSchemaTooOld ? 'schema-too-old' : readOnly && 'grant'
    // The others saw this client leave at its last clock; only a later one brings it back before the next heartbeat.
    this.show(this.#fields)
    this.#options.events.onChange()
  }

  #tokenWanted(): void {
    if (!this.#options.context.tokens.renewSoon()) void this.#provider.presentToken()
  }

  #denied(reason: string): void {
    this.#options.context.connection.admission.leave(this)
    this.#reset()
    this.#turnedAway(readDenial(reason))
  }

  #turnedAway(denial: Denial): void {
    const { connection } = this.#options.context
    if (denial.kind === 'token') connection.tokenRefused('the server does not take the token')
    else if (denial.kind === 'later') this.#reopenLater()
    else connection.accepted()
    this.#options.events.onDenied(denial)
  }

  #synced(): void {
    this.#isSynced = true
    this.#hasSynced = true
    this.#failures = 0
    this.#options.events.onSynced()
    this.#options.events.onChange()
  }

  #sent(frame: 'full' | 'update'): void {
    // The server asks back right behind its answer.
    if (frame === 'full') this.#isAsking = false
    this.take({ type: 'sent', frame })
  }

  #answered(applied: boolean): void {
    // Without a word of refusal it is the grant that has changed.
    if (!applied && this.#save.due.length > 0 && this.#readOnly === false) this.#readOnly = 'grant'
    this.take({ type: 'answered', applied })
  }

  #stateless(payload: string): void {
    if (payload === SCHEMA_TOO_OLD) {
      this.#schemaIsTooOld()
      return
    }
    const crowd = decodeCrowd(payload)
    if (crowd !== undefined) {
      this.#unseenPeople = crowd.unseen
      this.#options.events.onChange()
      return
    }
    const notice = decodeRefusal(payload)
    if (notice === undefined) this.#options.events.onStateless(payload)
    // Refusals of what a former replica sent after the first refused change may still come in.
    if (notice !== undefined && this.#save.due.length > 0) this.#changeRefused(notice)
  }

  /** Edits that wait for a newer version of the app are good ones: they stay. */
  #changeRefused(notice: RefusalNotice): void {
    if (notice.rule === SCHEMA_RULE) this.#schemaIsTooOld()
    else this.#options.events.onRefusedChange(notice)
  }

  #schemaIsTooOld(): void {
    this.#isSchemaTooOld = true
    this.#readOnly = 'schema-too-old'
    this.#options.events.onChange()
  }

  #closed(): void {
    this.#oversized.abort()
    clearTimeout(this.#timer)
    this.#reset()
    // Only this document was closed.
    if (this.#options.context.connection.socket.isOpen) this.#reopenLater()
  }

  #reopenLater(): void {
    this.#later(() => void this.#provider.reopen())
  }

  /** Does something if the socket is still open after a while, which is longer each time. */
  #later(act: () => void): void {
    this.#failures += 1
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      if (this.#provider.isAttached && this.#options.context.connection.socket.isOpen) act()
    }, retryDelayMs(this.#failures))
  }

  /** Opens the document anew on the open socket: what may be done with it is said only then. */
  #reattach(): void {
    if (this.#isAsking) {
      this.#options.context.connection.reconnect('what is allowed may have changed')
      return
    }
    this.#provider.detach()
    this.#reset()
    this.#provider.attach()
  }

  #tooBig(update: Uint8Array): void {
    this.#isAsking = false
    void this.#oversized.send(update)
  }

  #uploadFailed(failure: UploadFailure): void {
    if (failure.kind === 'change') this.#changeRefused(failure.notice)
    else if (failure.kind === 'later') this.#later(() => this.#syncAgain())
    else this.#turnedAway(failure)
  }

  #syncAgain(): void {
    this.#isAsking = true
    this.#provider.syncAgain()
  }
}
