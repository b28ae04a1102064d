import type { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import type { RefusalNotice } from '../model/refusals.ts'
import type { DocumentState, Refusal, RefusedChange, Status, Stop } from './api.ts'
import { closedError, NotSavedError, RefusedError } from './errors.ts'
import { Latch } from './latch.ts'
import { LocalCopy } from './local-copy.ts'
import { PresenceList } from './presence.ts'
import type { Denial } from './refusal.ts'
import { Replica } from './replica.ts'
import { hasUnsafeEdits, unacknowledgedEdits } from './save-state.ts'
import type { SessionContext } from './session-context.ts'
import { Store } from './store.ts'
import { Tabs } from './tabs.ts'

interface Saver {
  /** How many of the edits must be acknowledged; undefined until it is known how many were restored. */
  target: number | undefined
  readonly saved: Latch
}

const initialState: DocumentState = {
  status: { kind: 'connecting' },
  ready: false,
  synced: false,
  readOnly: false,
  unsaved: 0,
  kept: false,
}

/**
 * One document of a session, however many handles there are on it: its replica, this device's copy of it, the other
 * tabs, and what becomes of it when the server refuses a change.
 */
export class SharedDocument {
  readonly name: string
  readonly state = new Store<DocumentState>(initialState)
  readonly presence = new PresenceList()
  readonly #context: SessionContext
  readonly #sharesPresence: boolean
  readonly #onIdle: () => void
  readonly #refusedListeners = new Set<(change: RefusedChange) => void>()
  readonly #replacedListeners = new Set<(ydoc: Y.Doc) => void>()
  readonly #stopFollowing: Stop
  #replica: Replica
  /** The one that takes the place of `#replica` once it has the server's content, since a change was refused. */
  #successor: { readonly replica: Replica; readonly notice: RefusalNotice } | undefined
  #copy: LocalCopy | undefined
  #tabs: Tabs | undefined
  #hasRestored = false
  #isReady = false
  #synced = new Latch()
  #ready = new Latch()
  #savers: Saver[] = []
  #refusal: Refusal | undefined
  /** The token with which the document was refused: another one may open it. */
  #refusedToken: string | undefined
  #fields: Readonly<Record<string, unknown>> = {}
  #isInUse = true
  #isDestroyed = false

  /** `onIdle` is called once nobody uses it and its edits are safe. */
  constructor(name: string, context: SessionContext, sharesPresence: boolean, onIdle: () => void) {
    this.name = name
    this.#context = context
    this.#sharesPresence = sharesPresence
    this.#onIdle = onIdle
    this.#replica = this.#newReplica()
    if (sharesPresence) this.presence.follow(this.#replica.awareness)
    this.#show()
    this.#stopFollowing = context.connection.status.subscribe(() => this.#update())
    void this.#start()
    this.#update()
  }

  get ydoc(): Y.Doc {
    return this.#replica.ydoc
  }

  get awareness(): Awareness {
    return this.#replica.awareness
  }

  get whenSynced(): Promise<void> {
    return this.#synced.promise
  }

  get whenReady(): Promise<void> {
    return this.#ready.promise
  }

  /** Closing the page would lose edits: neither the server nor this device's storage has them. */
  get wouldLoseEdits(): boolean {
    return hasUnsafeEdits(this.#replica.save)
  }

  /** Whether somebody has a handle on it. */
  use(isInUse: boolean): void {
    if (this.#isInUse === isInUse) return
    this.#isInUse = isInUse
    this.#show()
    this.#update()
  }

  async whenSaved(): Promise<void> {
    const saver: Saver = { target: this.#hasRestored ? this.#replica.save.edits : undefined, saved: new Latch() }
    this.#savers.push(saver)
    this.#update()
    await saver.saved.promise
  }

  setPresence(fields: Readonly<Record<string, unknown>>): void {
    this.#fields = { ...this.#fields, ...fields }
    this.#show()
  }

  onRefused(listener: (change: RefusedChange) => void): Stop {
    return subscribe(this.#refusedListeners, listener)
  }

  onReplaced(listener: (ydoc: Y.Doc) => void): Stop {
    return subscribe(this.#replacedListeners, listener)
  }

  /** A new token is there. */
  tokenCame(): void {
    if (this.#refusal !== undefined && this.#context.tokens.current?.text !== this.#refusedToken) this.#forgetRefusal()
    this.#show()
    for (const replica of [this.#replica, this.#successor?.replica]) if (this.#mayOpen()) replica?.tokenCame()
    this.#update()
  }

  /** The app says that a refused document is worth another try, even with the same token. */
  forgetRefusal(): void {
    this.#forgetRefusal()
    this.#update()
  }

  async discardCopy(): Promise<void> {
    const copy = this.#copy
    this.#copy = undefined
    this.#isReady = false
    const before = this.#replica
    const next = this.#successor?.replica ?? this.#succeed(before)
    this.#successor = undefined
    this.#failSavers(new NotSavedError('client/copy-discarded', 'the edits were discarded'))
    this.#synced = new Latch()
    this.#ready = new Latch()
    this.#replaceBy(next)
    for (const listener of [...this.#replacedListeners]) listener(next.ydoc)
    before.destroy()
    await copy?.discard()
    if (!this.#isDestroyed) await this.#openCopy()
  }

  /** Closes it at once. */
  destroy(): void {
    if (this.#isDestroyed) return
    this.#isDestroyed = true
    this.#stopFollowing()
    this.presence.stop()
    this.#tabs?.close()
    this.#copy?.close()
    this.#successor?.replica.destroy()
    this.#replica.destroy()
    const error = closedError(`the document ${this.name}`)
    this.#synced.reject(error)
    this.#ready.reject(error)
    this.#failSavers(error)
    this.#refusedListeners.clear()
    this.#replacedListeners.clear()
  }

  /** The local copy comes first, so that only what the server lacks is sent, and counted, once. */
  async #start(): Promise<void> {
    await this.#openCopy()
    if (this.#isDestroyed) return
    this.#replica.attach()
    this.#update()
  }

  async #openCopy(): Promise<void> {
    const { tokens } = this.#context
    const replica = this.#replica
    const copies = this.#context.copiesOf(await tokens.whenUser)
    const copy =
      copies &&
      (await LocalCopy.open(copies, this.name, replica.ydoc, {
        onStored: (edits) => replica.take({ type: 'stored', edits }),
        onFailed: () => replica.take({ type: 'unkept' }),
      }))
    if (this.#isDestroyed || replica !== this.#replica) {
      copy?.close()
      return
    }
    this.#copy = copy
    if (copy?.wasComplete) this.#isReady = true
    this.#hasRestored = true
    replica.take({ type: 'restored', unacknowledged: copy?.restored ?? 0, kept: copy !== undefined })
    for (const saver of this.#savers) saver.target ??= replica.save.edits
    this.#openTabs(copies?.nameOf(this.name))
    this.#update()
  }

  #openTabs(name: string | undefined): void {
    if (name === undefined || typeof BroadcastChannel === 'undefined') return
    this.#tabs ??= new Tabs(name, (origin) => this.#replica.isOwn(origin))
    this.#tabs.share(this.#replica.ydoc)
  }

  #newReplica(): Replica {
    const replica: Replica = new Replica({
      name: this.name,
      context: this.#context,
      presence: this.#sharesPresence,
      events: {
        mayOpen: () => this.#mayOpen(),
        onChange: () => this.#update(),
        onSynced: () => this.#replicaSynced(replica),
        onRefusedChange: (notice) => this.#changeRefused(replica, notice),
        onDenied: (denial) => this.#denied(denial),
      },
    })
    return replica
  }

  /** A fresh replica in the place of `before` on the socket. */
  #succeed(before: Replica): Replica {
    const { isAsking } = before
    before.detach()
    const next = this.#newReplica()
    next.attach()
    // The answer to what the old one asked would be taken for the new one's.
    if (isAsking) this.#context.connection.reconnect('a document begins anew')
    return next
  }

  #replicaSynced(replica: Replica): void {
    if (replica === this.#successor?.replica) this.#takeBack(replica, this.#successor.notice)
    if (replica !== this.#replica) return
    this.#isReady = true
    this.#synced.resolve()
  }

  /** Yjs can't take a change back. So another replica gets what the server has, and then takes this one's place. */
  #changeRefused(replica: Replica, notice: RefusalNotice): void {
    if (replica !== this.#replica || this.#successor !== undefined) return
    this.#tabs?.pause()
    this.#successor = { replica: this.#succeed(replica), notice }
    this.#failSavers(new NotSavedError('client/change-refused', `${notice.rule}: ${notice.reason}`))
    this.#update()
  }

  #takeBack(next: Replica, { rule, reason }: RefusalNotice): void {
    const before = this.#replica
    const copy = this.#copy
    this.#successor = undefined
    this.#copy = undefined
    this.#failSavers(new NotSavedError('client/change-refused', `${rule}: ${reason}`))
    const update = Y.encodeStateAsUpdate(before.ydoc, Y.encodeStateVector(next.ydoc))
    this.#replaceBy(next)
    const change: RefusedChange = { rule, reason, update, before: before.ydoc }
    for (const listener of [...this.#refusedListeners]) listener(change)
    for (const listener of [...this.#replacedListeners]) listener(next.ydoc)
    before.destroy()
    void this.#beginCopyAnew(copy)
  }

  #replaceBy(next: Replica): void {
    this.#replica = next
    this.#hasRestored = false
    if (this.#sharesPresence) this.presence.follow(next.awareness)
    this.#show()
    this.#update()
  }

  async #beginCopyAnew(copy: LocalCopy | undefined): Promise<void> {
    // Where it fails the old copy stays, and so does the refused change: it is refused again after the next start.
    await copy?.discard().catch(() => {})
    if (!this.#isDestroyed) await this.#openCopy()
  }

  #mayOpen(): boolean {
    if (this.#refusal === undefined) return true
    if (this.#refusedToken === this.#context.tokens.current?.text) return false
    this.#forgetRefusal()
    return true
  }

  #denied(denial: Denial): void {
    if (denial.kind === 'refused') {
      this.#refusal = denial.refusal
      this.#refusedToken = this.#context.tokens.current?.text
    }
    this.#update()
  }

  #forgetRefusal(): void {
    this.#refusal = undefined
    this.#refusedToken = undefined
    if (this.#synced.state === 'rejected') this.#synced = new Latch()
    if (this.#ready.state === 'rejected') this.#ready = new Latch()
  }

  #show(): void {
    this.#replica.show(this.#isInUse ? this.#fields : undefined)
  }

  #update(): void {
    if (this.#isDestroyed) return
    const replica = this.#replica
    const { save } = replica
    this.#copy?.note({
      edits: save.edits,
      unacknowledged: unacknowledgedEdits(save),
      isComplete: replica.hasSynced,
    })
    const next: DocumentState = {
      status: this.#status(),
      ready: this.#isReady,
      synced: replica.isSynced,
      readOnly: replica.readOnly,
      unsaved: unacknowledgedEdits(save),
      kept: save.kept,
    }
    if (!sameState(this.state.get(), next)) this.state.set(next)
    this.#settleLatches(next)
    this.#settleSavers(next)
    if (!this.#isInUse && this.#isSettled(next)) this.#onIdle()
  }

  #status(): Status {
    const session = this.#context.connection.status.get()
    if (session.kind === 'refused') return session
    if (this.#refusal !== undefined) return this.#refusedStatus(this.#refusal)
    if (session.kind !== 'online') return session
    return this.#replica.isAuthenticated && this.#replica.isSynced ? session : CONNECTING
  }

  #lastRefused: Extract<Status, { kind: 'refused' }> | undefined

  #refusedStatus(refusal: Refusal): Status {
    if (this.#lastRefused?.refusal !== refusal) this.#lastRefused = { kind: 'refused', refusal }
    return this.#lastRefused
  }

  #settleLatches({ status, ready }: DocumentState): void {
    if (ready) this.#ready.resolve()
    if (status.kind !== 'refused') {
      if (this.#synced.state === 'rejected') this.#synced = new Latch()
      if (this.#ready.state === 'rejected') this.#ready = new Latch()
      return
    }
    const error = new RefusedError(status.refusal)
    this.#synced.reject(error)
    // The local copy may still be on its way, unless nobody knows whose it would be.
    if (this.#hasRestored || this.#context.tokens.user === undefined) this.#ready.reject(error)
  }

  #settleSavers({ status, readOnly, synced }: DocumentState): void {
    if (this.#savers.length === 0) return
    const { acknowledged } = this.#replica.save
    const isSaved = ({ target }: Saver) => target !== undefined && target <= acknowledged
    for (const saver of this.#savers) if (isSaved(saver)) saver.saved.resolve()
    this.#savers = this.#savers.filter((saver) => !isSaved(saver))
    if (status.kind === 'refused') this.#failSavers(new RefusedError(status.refusal))
    else if (synced && readOnly !== false) {
      const why = readOnly === 'grant' ? 'the token grants reading only' : 'the schema of this app is too old to write'
      this.#failSavers(new NotSavedError('client/read-only', why))
    }
  }

  #failSavers(error: Error): void {
    const savers = this.#savers
    this.#savers = []
    for (const { saved } of savers) saved.reject(error)
  }

  /** Whether it may be closed: its edits are safe, and no answer is on its way that the next one would get. */
  #isSettled({ status, unsaved, readOnly }: DocumentState): boolean {
    if (status.kind === 'refused') return true
    if (!this.#hasRestored || this.#successor !== undefined || this.#replica.isAsking) return false
    // Edits that are turned down stay here in any case; others go on being sent as long as there is a network.
    return unsaved === 0 || readOnly !== false || (status.kind === 'offline' && !this.wouldLoseEdits)
  }
}

const CONNECTING: Status = { kind: 'connecting' }

function subscribe<T>(listeners: Set<T>, listener: T): Stop {
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}

function sameState(a: DocumentState, b: DocumentState): boolean {
  return (
    a.status === b.status &&
    a.ready === b.ready &&
    a.synced === b.synced &&
    a.readOnly === b.readOnly &&
    a.unsaved === b.unsaved &&
    a.kept === b.kept
  )
}
