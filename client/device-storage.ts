import { LocalCopy } from './local-copy.ts'
import type { Replica } from './replica.ts'
import { unacknowledgedEdits } from './save-state.ts'
import type { SessionContext } from './session-context.ts'
import { Tabs } from './tabs.ts'

/** What this device has of one document beside the replica: the copy in its storage, and the other tabs. */
export class DeviceStorage {
  readonly #name: string
  readonly #context: SessionContext
  #replica: Replica | undefined
  #copy: LocalCopy | undefined
  #tabs: Tabs | undefined
  #isClosed = false

  constructor(name: string, context: SessionContext) {
    this.#name = name
    this.#context = context
  }

  /**
   * Reads what is kept into `replica`, once it is known whose it is, and keeps it from then on. Resolves with whether
   * that is what the server had at one time; undefined if it was closed, or another replica came, meanwhile.
   */
  async open(replica: Replica): Promise<boolean | undefined> {
    this.#replica = replica
    const copies = this.#context.copiesOf(await this.#context.tokens.whenUser)
    const copy =
      copies &&
      (await LocalCopy.open(copies, this.#name, replica.ydoc, {
        onStored: (edits) => replica.take({ type: 'stored', edits }),
        onFailed: () => replica.take({ type: 'unkept' }),
      }))
    if (this.#isClosed || replica !== this.#replica) {
      copy?.close()
      return undefined
    }
    this.#copy = copy
    replica.take({ type: 'restored', unacknowledged: copy?.restored ?? 0, kept: copy !== undefined })
    if (copies !== undefined) this.#share(replica, copies.nameOf(this.#name))
    return copy?.wasComplete ?? false
  }

  /** Writes down how far the replica is. */
  note({ save, hasSynced }: Replica): void {
    this.#copy?.note({ edits: save.edits, unacknowledged: unacknowledgedEdits(save), isComplete: hasSynced })
  }

  /** Other tabs hear nothing more of the replica, which has what the server refused. */
  pause(): void {
    this.#tabs?.pause()
  }

  /** Empties the copy, with all edits that only it has; nothing is kept before the next `open`. */
  async discard(): Promise<void> {
    this.pause()
    const copy = this.#copy
    this.#copy = undefined
    this.#replica = undefined
    await copy?.discard()
  }

  close(): void {
    this.#isClosed = true
    this.#tabs?.close()
    this.#copy?.close()
  }

  #share(replica: Replica, name: string): void {
    this.#tabs ??= openTabs(name)
    this.#tabs?.share(replica.ydoc, (origin) => replica.isOwn(origin))
  }
}

function openTabs(name: string): Tabs | undefined {
  try {
    return typeof BroadcastChannel === 'undefined' ? undefined : new Tabs(name)
  } catch {
    // Forbidden in some frames: tabs meet on the server then.
    return undefined
  }
}
