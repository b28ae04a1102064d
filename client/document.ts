import type { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import type { RefusalNotice } from '../model/refusals.ts'
import type { DocumentState, RefusedChange, Status, Stop } from './api.ts'
import { DeviceStorage } from './device-storage.ts'
import { closedError, NotSavedError, RefusedError } from './errors.ts'
import { Listeners } from './listeners.ts'
import { PresenceList } from './presence.ts'
import { mergeFields, type PresenceFields } from './presence-fields.ts'
import { Readiness } from './readiness.ts'
import type { Denial } from './refusal.ts'
import { Replica } from './replica.ts'
import { unacknowledgedEdits, unsafeEdits } from './save-state.ts'
import { Savers } from './savers.ts'
import type { SessionContext } from './session-context.ts'
import { Store } from './store.ts'

const CONNECTING: Status = { kind: 'connecting' }
const RESET: RefusalNotice = { rule: 'document/reset', reason: 'the document was reset to what it was before' }

interface DocumentRefusal {
  readonly status: Extract<Status, { kind: 'refused' }>
  /** Another token may open the document. */
  readonly token: string | undefined
}

/**
 * One document of a session, however many handles there are on it: its replica, what this device keeps of it, and what
 * becomes of them when the server refuses a change.
 */
export class SharedDocument {
  readonly name: string
  readonly state = new Store<DocumentState>({
    status: CONNECTING,
    ready: false,
    synced: false,
    readOnly: false,
    unsaved: 0,
    kept: false,
    unkept: 0,
    unseenPeople: 0,
  })
  readonly presence = new PresenceList()
  readonly #context: SessionContext
  readonly #sharesPresence: boolean
  readonly #onIdle: () => void
  readonly #storage: DeviceStorage
  readonly #readiness = new Readiness()
  readonly #savers = new Savers()
  readonly #refused = new Listeners<RefusedChange>()
  readonly #replaced = new Listeners<Y.Doc>()
  readonly #stateless = new Listeners<string>()
  readonly #stopFollowing: Stop
  #replica: Replica
  /**
   * The one that takes the place of `#replica` once it has the server's content, since a change was refused, or all of it;
   * without a notice where nothing is lost by that.
   */
  #successor: { readonly replica: Replica; readonly notice: RefusalNotice | undefined } | undefined
  #hasRestored = false
  #isReady = false
  #refusal: DocumentRefusal | undefined
  #fields: PresenceFields = {}
  #isInUse = true
  #isDestroyed = false

  /** `onIdle` is called once nobody uses it and its edits are safe. */
  constructor(name: string, context: SessionContext, sharesPresence: boolean, onIdle: () => void) {
    this.name = name
    this.#context = context
    this.#sharesPresence = sharesPresence
    this.#onIdle = onIdle
    this.#storage = new DeviceStorage(name, context)
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
    return this.#readiness.whenSynced
  }

  get whenReady(): Promise<void> {
    return this.#readiness.whenReady
  }

  /** Closing the page would lose edits: neither the server nor this device's storage has them. */
  get wouldLoseEdits(): boolean {
    return unsafeEdits(this.#replica.save) > 0
  }

  /** Whether somebody has a handle on it. */
  use(isInUse: boolean): void {
    if (this.#isInUse === isInUse) return
    this.#isInUse = isInUse
    this.#show()
    this.#update()
  }

  whenSaved(): Promise<void> {
    const saved = this.#savers.wait(this.#hasRestored ? this.#replica.save.edits : undefined)
    this.#update()
    return saved
  }

  setPresence(fields: PresenceFields): void {
    this.#fields = mergeFields(this.#fields, fields)
    this.#show()
  }

  sendStateless(message: string): boolean {
    return this.#replica.sendStateless(message)
  }

  onStateless(listener: (message: string) => void): Stop {
    return this.#stateless.add(listener)
  }

  onRefused(listener: (change: RefusedChange) => void): Stop {
    return this.#refused.add(listener)
  }

  onReplaced(listener: (ydoc: Y.Doc) => void): Stop {
    return this.#replaced.add(listener)
  }

  /** A new token is there. */
  tokenCame(): void {
    this.#show()
    for (const replica of [this.#replica, this.#successor?.replica]) if (this.#mayOpen()) replica?.tokenCame()
    this.#update()
  }

  /** The app says that a refused document is worth another try, even with the same token. */
  forgetRefusal(): void {
    this.#refusal = undefined
    this.#update()
  }

  /** Begins anew from the server. Resolves once the local copy, with the edits that only it had, is gone. */
  async discardCopy(): Promise<void> {
    const before = this.#replica
    const next = this.#successor?.replica ?? this.#succeed(before)
    this.#isReady = false
    this.#readiness.reset()
    this.#savers.fail(new NotSavedError('client/copy-discarded', 'the edits were discarded'))
    const discarded = this.#storage.discard()
    this.#replaceBy(next)
    before.destroy()
    await discarded
    await this.#restore()
  }

  /** Closes it at once. */
  destroy(): void {
    if (this.#isDestroyed) return
    this.#isDestroyed = true
    this.#stopFollowing()
    this.presence.stop()
    this.#storage.close()
    this.#successor?.replica.destroy()
    this.#replica.destroy()
    const error = closedError(`the document ${this.name}`)
    this.#readiness.refused(error, true)
    this.#savers.fail(error)
    this.#refused.clear()
    this.#replaced.clear()
  }

  /** The local copy comes first, so that only what the server lacks is sent, and counted, once. */
  async #start(): Promise<void> {
    await this.#restore()
    if (!this.#isDestroyed) this.#replica.attach()
    this.#update()
  }

  async #restore(): Promise<void> {
    const wasComplete = await this.#storage.open(this.#replica)
    if (wasComplete === undefined) return
    if (wasComplete) this.#isReady = true
    this.#hasRestored = true
    this.#savers.restored(this.#replica.save.edits)
    this.#update()
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
        onDenied: (denial) => this.#denied(replica, denial),
        onStateless: (message) => this.#stateless.tell(message),
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
    if (replica === this.#successor?.replica) this.#takeBack(this.#successor)
    if (replica !== this.#replica) return
    this.#isReady = true
    this.#readiness.synced()
  }

  /** Yjs can't take a change back. So another replica gets what the server has, and then takes this one's place. */
  #changeRefused(replica: Replica, notice: RefusalNotice | undefined): void {
    if (replica !== this.#replica || this.#successor !== undefined) return
    this.#storage.pause()
    if (notice !== undefined) this.#savers.fail(notSaved(notice))
    this.#successor = { replica: this.#succeed(replica), notice }
    this.#update()
  }

  /** The document was reset: another replica begins from nothing. What was not saved is handed over as refused. */
  #beginAnew(replica: Replica): void {
    const isUnsaved = unacknowledgedEdits(replica.save) > 0
    this.#changeRefused(replica, isUnsaved ? RESET : undefined)
    if (replica !== this.#successor?.replica) return
    // It was reset twice.
    this.#successor = { ...this.#successor, replica: this.#succeed(replica) }
    replica.destroy()
  }

  #takeBack({
    replica: next,
    notice,
  }: {
    readonly replica: Replica
    readonly notice: RefusalNotice | undefined
  }): void {
    const before = this.#replica
    // Edits that were made meanwhile.
    const isLost = notice !== undefined || unacknowledgedEdits(before.save) > 0
    const refused = isLost ? (notice ?? RESET) : undefined
    if (refused !== undefined) this.#savers.fail(notSaved(refused))
    // Where it fails the old copy stays, and so does the change: it is refused again after the next start.
    const discarded = this.#storage.discard().catch(() => {})
    if (refused === undefined) this.#replaceBy(next)
    else {
      const update = Y.encodeStateAsUpdate(before.ydoc, Y.encodeStateVector(next.ydoc))
      this.#replaceBy(next, { ...refused, update, before: before.ydoc })
    }
    before.destroy()
    void discarded.then(() => this.#restore())
  }

  /** Another replica is the document from now on; `change` is why, if it was refused. */
  #replaceBy(next: Replica, change?: RefusedChange): void {
    this.#successor = undefined
    this.#replica = next
    this.#hasRestored = false
    if (this.#sharesPresence) this.presence.follow(next.awareness)
    this.#show()
    this.#update()
    if (change !== undefined) this.#refused.tell(change)
    this.#replaced.tell(next.ydoc)
  }

  #mayOpen(): boolean {
    if (this.#refusal === undefined) return true
    if (this.#refusal.token === this.#context.tokens.current?.text) return false
    this.#refusal = undefined
    return true
  }

  #denied(replica: Replica, denial: Denial): void {
    if (denial.kind === 'reset') this.#beginAnew(replica)
    if (denial.kind === 'refused') {
      const { refusal } = denial
      this.#refusal = { status: { kind: 'refused', refusal }, token: this.#context.tokens.current?.text }
    }
    this.#update()
  }

  #show(): void {
    this.#replica.show(this.#isInUse ? this.#fields : undefined)
  }

  /** Something has changed: tells it to all whom it concerns. */
  #update(): void {
    if (this.#isDestroyed) return
    const replica = this.#replica
    this.#storage.note(replica)
    const next: DocumentState = {
      status: this.#status(),
      ready: this.#isReady,
      synced: replica.isSynced,
      readOnly: replica.readOnly,
      unsaved: unacknowledgedEdits(replica.save),
      kept: replica.save.kept,
      unkept: unsafeEdits(replica.save),
      unseenPeople: replica.unseenPeople,
    }
    if (!sameState(this.state.get(), next)) this.state.set(next)
    this.#settle(next)
    if (!this.#isInUse && this.#isSettled(next)) this.#onIdle()
  }

  #status(): Status {
    const session = this.#context.connection.status.get()
    if (session.kind === 'refused') return session
    if (this.#refusal !== undefined) return this.#refusal.status
    if (session.kind !== 'online') return session
    return this.#replica.isAuthenticated && this.#replica.isSynced ? session : CONNECTING
  }

  #settle({ status, ready, synced, readOnly }: DocumentState): void {
    this.#savers.acknowledged(this.#replica.save.acknowledged)
    if (ready) this.#readiness.ready()
    if (status.kind === 'refused') {
      const error = new RefusedError(status.refusal)
      // The local copy may still be on its way, unless nobody knows whose it would be.
      this.#readiness.refused(error, this.#hasRestored || this.#context.tokens.user === undefined)
      this.#savers.fail(error)
      return
    }
    this.#readiness.retried()
    if (synced && readOnly !== false) {
      const why = readOnly === 'grant' ? 'the token grants reading only' : 'the schema of this app is too old to write'
      this.#savers.fail(new NotSavedError('client/read-only', why))
    }
  }

  /** Whether it may be closed: its edits are safe, and no answer is on its way that the next one would get. */
  #isSettled({ status, unsaved, readOnly }: DocumentState): boolean {
    if (status.kind === 'refused') return true
    if (!this.#hasRestored || this.#successor !== undefined || this.#replica.isAsking) return false
    // Edits that are turned down stay here in any case; others go on being sent as long as there is a network.
    return unsaved === 0 || readOnly !== false || (status.kind === 'offline' && !this.wouldLoseEdits)
  }
}

function notSaved({ rule, reason }: RefusalNotice): NotSavedError {
  return new NotSavedError('client/change-refused', `${rule}: ${reason}`)
}

function sameState(a: DocumentState, b: DocumentState): boolean {
  const keys = ['status', 'ready', 'synced', 'readOnly', 'unsaved', 'kept', 'unkept', 'unseenPeople'] as const
  return keys.every((key) => a[key] === b[key])
}
