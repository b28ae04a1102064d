import type { Logger } from 'pino'
import type * as Y from 'yjs'
import { openSegmentOf } from '../../model/chat.ts'
import type { ChatRoom } from '../../model/rooms.ts'
import type { StorageError } from '../../persistence/storage-error.ts'
import type { OpenDocument } from '../documents/open-document.ts'
import { callEnded, callStarted } from '../events/call-events.ts'
import { type CausedNotification, heldEvent, type Notifications } from '../inbox/notifications.ts'
import { RoomPeople, type RoomPeopleOptions } from '../inbox/room-people.ts'
import { CallKeeper } from './call-keeper.ts'
import type { CallTimes, Here } from './call-log.ts'
import type { HeadRules } from './head-rules.ts'

export interface HeadsOptions extends Pick<RoomPeopleOptions, 'log' | 'present' | 'isOpenToAll'> {
  readonly logger: Logger
  readonly notifications: Notifications
  /** Whether a product is asked about whom notifications are for before they are told; never in direct chats. */
  readonly asksFirst: boolean
  /** What notifications of messages and calls lead to; see linkTo(). */
  readonly link: string
  readonly callTimes: CallTimes
  /** Whether nobody can tell now who is on other instances. */
  readonly isCutOff: () => boolean
  /** Keeps a document open while it is used. */
  readonly withDocument: (name: string, use: (document: Y.Doc) => Promise<void>) => Promise<void>
}

/** Who is there, as far as one can know who does not know who is not. */
const EVERYBODY: Here = { has: () => true }

interface OpenHead {
  readonly rules: HeadRules
  readonly calls: CallKeeper
}

/** The open heads of chat rooms, and what the server does in them: their calls, and which segment is the open one. */
export class Heads {
  readonly #options: HeadsOptions
  readonly #open = new Map<Y.Doc, OpenHead>()

  constructor(options: HeadsOptions) {
    this.#options = options
  }

  opened(open: OpenDocument, rules: HeadRules, room: ChatRoom): void {
    const { ydoc, name } = open
    const { callTimes, isCutOff, logger, log, notifications, asksFirst, link, present, isOpenToAll } = this.#options
    const onProblem = (error: StorageError) => {
      logger.error({ room: name, error }, 'whom a missed call notifies could not be read')
    }
    rules.watch(ydoc)
    if (openSegmentOf(ydoc) === undefined) ydoc.getMap('room').set('segment', 1)
    const calls = new CallKeeper({
      room,
      head: ydoc,
      people: new RoomPeople({ room, log, present, isOpenToAll, onProblem }),
      notifications,
      ...(asksFirst && room.kind === 'chat'
        ? { onHeld: (caused: CausedNotification) => open.happened(heldEvent(caused, name, Date.now())) }
        : {}),
      link,
      onOver: (call) => open.happened(callEnded(name, call)),
      onStarted: (call) => open.happened(callStarted(name, call)),
      onProblem,
      times: callTimes,
      here: () => (isCutOff() ? EVERYBODY : open.users),
      hold: (over) => {
        this.#options
          .withDocument(name, () => over)
          .catch((error: unknown) => {
            // Then it closes when its last client does, and whoever opens it next goes on with its calls.
            logger.debug({ document: name, error }, 'a head with a call could not be kept open')
          })
      },
    })
    this.#open.set(ydoc, { rules, calls })
    ydoc.once('destroy', () => {
      this.#open.delete(ydoc)
      calls.close()
    })
  }

  /** A client of this instance changed a document, which may be a head. */
  changed(document: Y.Doc): void {
    const open = this.#open.get(document)
    open?.rules.restore(document)
    open?.calls.changed()
  }

  /** A document, which may be a head, has taken what `author` committed on another instance. */
  followed(document: Y.Doc, author: string): void {
    const open = this.#open.get(document)
    open?.rules.restore(document)
    open?.calls.followed(author)
  }

  /** Other people than before may have a document open. */
  hereChanged(document: Y.Doc): void {
    this.#open.get(document)?.calls.hereChanged()
  }

  /** It is known again who is on other instances. */
  reconnected(): void {
    for (const { calls } of this.#open.values()) calls.hereChanged()
  }

  /** Does nothing more by itself. */
  close(): void {
    for (const { calls } of this.#open.values()) calls.close()
  }
}
