import * as Y from 'yjs'
import type { ChatRoom } from '../../model/rooms.ts'
import { StorageError } from '../../persistence/storage-error.ts'
import { SERVER } from '../documents/open-document.ts'
import { type MissedCall, missedCallNotification } from '../inbox/call-notifications.ts'
import type { CausedNotification, Notifications } from '../inbox/notifications.ts'
import type { RoomPeople } from '../inbox/room-people.ts'
import { Alarm, someDelayMs } from './alarm.ts'
import { CallLog, type CallTimes, type Here } from './call-log.ts'

/** How long what another instance took, or is in the habit of doing, is left to it, at least and at most. */
const TAKE_OVER_MS = [1_000, 2_000] as const
const RETRY_MS = 1_000

export interface CallKeeperOptions {
  readonly room: ChatRoom
  readonly head: Y.Doc
  readonly times: CallTimes
  /** Who has the head open, on this instance or another. */
  readonly here: () => Here
  /** Keeps the head in memory until `over` resolves. */
  readonly hold: (over: Promise<void>) => void
  readonly people: RoomPeople
  readonly notifications: Pick<Notifications, 'addWithCause'>
  /** Given where nobody is told at once: whom the change that the head is just going through is to notify later. */
  readonly onHeld?: (caused: CausedNotification) => void
  /** See linkTo(). */
  readonly link: string
  /** The change that the head is just going through ends a call. */
  readonly onOver: (call: Y.Map<unknown>) => void
  /** It makes one ring. */
  readonly onStarted: (call: Y.Map<unknown>) => void
  readonly onProblem: (error: StorageError) => void
}

/**
 * Sees to it that the calls of one open head go on: after changes, when people come and leave, and by time. The head
 * stays open here until no call is.
 *
 * Each instance that has the head open does so. A course is one value, worked out of acts that all instances have, so
 * that two of them write the same but for the times; where one knew of an act that the other did not, either course
 * holds, and the next look at the acts goes on from there. To save writes, who took an act writes at once, and
 * the others wait whether that happens, as all do in what comes by time while another one wrote last.
 *
 * Who has missed a call is notified with the same commit, if they belong to the room.
 */
export class CallKeeper {
  readonly #options: CallKeeperOptions
  readonly #log: CallLog
  #isElsewhere = false
  /** Settles once no call is open. */
  #held: PromiseWithResolvers<void> | undefined
  readonly #alarm = new Alarm(() => this.changed())
  #isClosed = false
  /** Whether those who are called belong to the room. */
  #belongs = new Map<string, boolean>()
  #isLookingUp = false
  #isWaiting = false

  constructor(options: CallKeeperOptions) {
    this.#options = options
    this.#log = new CallLog(options.times)
    this.changed()
  }

  /** A client of this instance changed the head: what comes of it is committed with it. */
  changed(): void {
    if (this.#isClosed) return
    const { head, here, onOver, onStarted, onHeld } = this.#options
    const written = Y.getState(head.store, head.clientID)
    const isKnown = (user: string) => this.#belongs.has(user)
    const { isOpen, next, missed, unknown, isWaiting } = this.#log.advance(
      head,
      here(),
      Date.now(),
      isKnown,
      onOver,
      onStarted,
      (call) => {
        const caused = onHeld && this.#causedBy(call)
        if (caused !== undefined) onHeld?.(caused)
      },
    )
    if (onHeld === undefined) this.#tell(missed)
    this.#isWaiting = isWaiting
    if (unknown.length > 0) void this.#lookUp(unknown)
    if (!isOpen) this.#belongs.clear()
    if (Y.getState(head.store, head.clientID) > written) this.#isElsewhere = false
    this.#hold(isOpen)
    this.#alarm.clear()
    if (next !== undefined) this.#wake(next - Date.now() + this.#courtesyMs())
  }

  /** The head has taken what `author` committed on another instance. */
  followed(author: string): void {
    if (author === SERVER) this.#isElsewhere = true
    this.#wake(someDelayMs(TAKE_OVER_MS))
  }

  /** Other people than before may have the head open, or it is known again who has. */
  hereChanged(): void {
    if (this.#held !== undefined) this.#wake(this.#courtesyMs())
  }

  close(): void {
    this.#isClosed = true
    this.#alarm.clear()
    this.#hold(false)
  }

  /** Right behind what was just written, so that it is stored with that. */
  #tell(missed: readonly MissedCall[]): void {
    this.#options.notifications.addWithCause(
      missed.flatMap((call) => this.#causedBy(call) ?? []),
      // Nothing is expected of a head: what was left out another instance has told.
      () => true,
    )
  }

  #causedBy(call: MissedCall): CausedNotification | undefined {
    const { room, link } = this.#options
    const users = call.users.filter((user) => this.#belongs.get(user))
    return users.length === 0 ? undefined : missedCallNotification({ ...call, users }, room, link)
  }

  async #lookUp(users: readonly string[]): Promise<void> {
    if (this.#isLookingUp) return
    this.#isLookingUp = true
    const { people, onProblem } = this.#options
    try {
      const found = await people.among(users)
      // Asked anew for the next call once none is open.
      if (this.#held === undefined) return
      for (const user of users) this.#belongs.set(user, found.has(user))
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      onProblem(error)
      this.#wake(RETRY_MS)
      return
    } finally {
      this.#isLookingUp = false
    }
    if (this.#isWaiting) this.changed()
  }

  #courtesyMs(): number {
    return this.#isElsewhere ? someDelayMs(TAKE_OVER_MS) : 0
  }

  #hold(isOpen: boolean): void {
    if (isOpen === (this.#held !== undefined)) return
    this.#held?.resolve()
    this.#held = isOpen ? Promise.withResolvers() : undefined
    if (this.#held !== undefined) this.#options.hold(this.#held.promise)
  }

  #wake(delayMs: number): void {
    if (!this.#isClosed) this.#alarm.set(delayMs)
  }
}
