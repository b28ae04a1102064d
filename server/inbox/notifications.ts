import { createHash, randomUUID } from 'node:crypto'
import * as Y from 'yjs'
import { addNotifications, type Notification } from '../../model/inbox.ts'
import { inboxOf } from '../../model/rooms.ts'
import { uuidOf } from '../../model/uuid.ts'
import type { NewEvent } from '../../persistence/event-store.ts'
import { ANY_SEQ } from '../../persistence/message-store.ts'
import { StorageError } from '../../persistence/storage-error.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { Durability } from '../documents/durability.ts'
import { type OpenDocument, SERVER } from '../documents/open-document.ts'
import { notificationAdded, notificationHeld } from '../events/notification-events.ts'

/** A Yjs client id is taken in an inbox about once in a thousand million notifications. */
const MAX_ATTEMPTS = 3

export interface NotificationsOptions {
  readonly log: UpdateLog
  readonly durability: Durability
  /** The document of that name, if this instance has it open. */
  readonly openDocument: (name: string) => OpenDocument | undefined
  /** How long after that a notification is pushed to who is not there, ms; undefined where none is. */
  readonly pushDelayMs?: number | undefined
  /**
   * A notification is on disk in a user's inbox. Called once for each, whatever it comes of, on the instance that stored
   * it, and before anybody hears of it; it must not throw. Not called for what was stored while that could not be known.
   */
  readonly onStored?: (user: string, notification: Notification) => void
  readonly onProblem?: (error: StorageError) => void
}

/** What is said to somebody; the rest follows. */
export type Notice = Omit<Notification, 'id' | 'at' | 'readAt'>

export interface NewNotifications {
  /** Users. */
  readonly to: readonly string[]
  readonly notification: Notice
  /** The same key again brings nobody the same again; without one, each call is another notification. */
  readonly key?: string | undefined
}

/** A notification that comes of a change in another document. */
export interface CausedNotification {
  /** Users, each once. */
  readonly to: readonly string[]
  readonly notification: Notice
  /** The same wherever the same change is found. */
  readonly id: string
  /** The id of the message that it is about. */
  readonly message?: string
}

export interface AddedNotifications {
  /** The same in each inbox. */
  readonly id: string
  readonly added: number
  /** How many had it already. */
  readonly known: number
}

/**
 * Writes into inboxes, of which most are closed. A notification needs nothing of the inbox it goes to: it is inserted at
 * the beginning of the list by a Yjs client that nobody has seen before, so that the same update does for everybody, and
 * no document is loaded. The archive, where an id is taken once, sees to it that nobody gets it twice.
 */
export class Notifications {
  readonly #options: NotificationsOptions

  constructor(options: NotificationsOptions) {
    this.#options = options
  }

  /**
   * Resolves once all of it is on disk, written in one commit; by then, whoever has an inbox open on this instance has it.
   * @throws {StorageError} `storage/unavailable` when it could not be stored, as far as is known: some may have it
   */
  async add({ to, notification, key }: NewNotifications): Promise<AddedNotifications> {
    const id = key === undefined ? randomUUID() : notificationId('notification', key)
    const users = [...new Set(to)]
    const known = await this.#addTo(users, { id, ...notification, at: Date.now() })
    return { id, added: users.length - known, known }
  }

  /**
   * Tells of the change whose update was appended right before, in this turn: in one commit with it, or not at all if it is
   * left out. `isCauseStored` is asked once that is known.
   */
  addWithCause(caused: readonly CausedNotification[], isCauseStored: () => boolean): void {
    for (const { to, notification, id } of caused) {
      const whole = { id, ...notification, at: Date.now() }
      this.#write(to, whole, true)
        .then(async (leftOut) => {
          // Who got it from another instance has it; for anybody else it is a client id that was taken.
          if (leftOut.length > 0 && isCauseStored()) await this.#addTo(await this.#without(id, leftOut), whole)
        })
        .catch((error: unknown) => {
          // Mostly given up together with its cause, and so it will come with that.
          if (!(error instanceof StorageError)) throw error
          this.#options.onProblem?.(error)
        })
    }
  }

  /**
   * Tells users who may be told of what is stored already; those who were told before are not told again.
   * @throws {StorageError} as add()
   */
  async deliver(users: readonly string[], notice: Notice & { readonly id: string }): Promise<void> {
    await this.#addTo(users, { ...notice, at: Date.now() })
  }

  /** Resolves with how many of the users had it already. */
  async #addTo(users: readonly string[], notification: Notification): Promise<number> {
    let left = users
    let known = 0
    for (let attempt = 0; attempt < MAX_ATTEMPTS && left.length > 0; attempt += 1) {
      const leftOut = await this.#write(left, notification, false)
      left = await this.#without(notification.id, leftOut)
      known += leftOut.length - left.length
    }
    if (left.length > 0) throw unavailable()
    return known
  }

  async #without(id: string, users: readonly string[]): Promise<string[]> {
    const found = await Promise.all(users.map((user) => this.#options.log.messages.known(inboxOf(user), [id])))
    return users.filter((_, index) => found[index]?.size === 0)
  }

  /** Resolves with those users whom the log has left out. Taken in one turn, all of it is in one batch. */
  #write(users: readonly string[], notification: Notification, follows: boolean): Promise<string[]> {
    const { durability, openDocument, onStored, pushDelayMs } = this.#options
    const { client, data } = updateWith(notification)
    const json = JSON.stringify(notification)
    const event = notificationAdded(notification)
    const row = { at: notification.at, author: SERVER, clients: [client], data }
    const written = users.map((user) => {
      const room = inboxOf(user)
      const update = {
        document: room,
        ...row,
        messages: [{ room, seq: ANY_SEQ, id: notification.id, json }],
        expects: { room, lastSeq: undefined },
        pushAt: pushDelayMs === undefined ? undefined : notification.at + pushDelayMs,
        follows,
        events: [{ ...event, users: [user] }],
      }
      return new Promise<string | undefined>((resolve, reject) => {
        durability.append(update, (position) => {
          if (position === undefined) return reject(unavailable())
          if (position === 0) return resolve(user)
          openDocument(room)?.takeCommitted({ ...row, position })
          onStored?.(user, notification)
          resolve(undefined)
        })
      })
    })
    return Promise.all(written).then((leftOut) => leftOut.filter((user) => user !== undefined))
  }
}

/** The id of a notification of which a source has one by that key. */
export function notificationId(source: 'notification' | 'message' | 'call', key: string): string {
  return uuidOf(createHash('sha256').update(`coweave.${source}:`).update(key).digest(), 8)
}

/** To be told later, by HeldNotifications: stored with what it tells of. */
export function heldEvent({ to, id, message, notification }: CausedNotification, room: string, at: number): NewEvent {
  const { body: _body, ...notice } = notification
  return notificationHeld({ id, ...notice, ...(message === undefined ? {} : { message }) }, room, to, at)
}

function updateWith(notification: Notification): { client: number; data: Uint8Array } {
  const inbox = new Y.Doc()
  addNotifications(inbox, [notification])
  const data = Y.encodeStateAsUpdate(inbox)
  inbox.destroy()
  return { client: inbox.clientID, data }
}

function unavailable(): StorageError {
  return new StorageError(
    'storage/unavailable',
    'the notifications could not be stored now; send them again with the same key',
  )
}
