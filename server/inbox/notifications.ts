import { createHash, randomUUID } from 'node:crypto'
import * as Y from 'yjs'
import { addNotifications, type Notification } from '../../model/inbox.ts'
import { inboxOf } from '../../model/rooms.ts'
import { StorageError } from '../../persistence/storage-error.ts'
import { ANY_SEQ, type UpdateLog } from '../../persistence/update-log.ts'
import type { Durability } from '../documents/durability.ts'
import { type OpenDocument, SERVER } from '../documents/open-document.ts'

/** A Yjs client id is taken in an inbox about once in a thousand million notifications. */
const MAX_ATTEMPTS = 3

export interface NotificationsOptions {
  readonly log: UpdateLog
  readonly durability: Durability
  /** The document of that name, if this instance has it open. */
  readonly openDocument: (name: string) => OpenDocument | undefined
}

export interface NewNotifications {
  /** Users. */
  readonly to: readonly string[]
  readonly notification: Omit<Notification, 'id' | 'at' | 'readAt'>
  /** The same key again brings nobody the same again; without one, each call is another notification. */
  readonly key?: string | undefined
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
    const id = key === undefined ? randomUUID() : idOfKey(key)
    const inboxes = [...new Set(to.map(inboxOf))]
    const whole = { id, ...notification, at: Date.now() }
    let left: readonly string[] = inboxes
    let known = 0
    for (let attempt = 0; attempt < MAX_ATTEMPTS && left.length > 0; attempt += 1) {
      const leftOut = await this.#write(left, whole)
      left = await this.#without(id, leftOut)
      known += leftOut.length - left.length
    }
    if (left.length > 0) throw unavailable()
    return { id, added: inboxes.length - known, known }
  }

  async #without(id: string, inboxes: readonly string[]): Promise<string[]> {
    const found = await Promise.all(inboxes.map((inbox) => this.#options.log.knownMessages(inbox, [id])))
    return inboxes.filter((_, index) => found[index]?.size === 0)
  }

  /** Resolves with those inboxes that the log has left out. Taken in one turn, all of it is in one batch. */
  #write(inboxes: readonly string[], notification: Notification): Promise<string[]> {
    const { durability, openDocument } = this.#options
    const { client, data } = updateWith(notification)
    const json = JSON.stringify(notification)
    const row = { at: notification.at, author: SERVER, clients: [client], data }
    const written = inboxes.map((room) => {
      const update = {
        document: room,
        ...row,
        messages: [{ room, seq: ANY_SEQ, id: notification.id, json }],
        expects: { room, lastSeq: undefined },
      }
      return new Promise<string | undefined>((resolve, reject) => {
        durability.append(update, (position) => {
          if (position === undefined) return reject(unavailable())
          if (position > 0) openDocument(room)?.takeCommitted({ ...row, position })
          resolve(position === 0 ? room : undefined)
        })
      })
    })
    return Promise.all(written).then((rooms) => rooms.filter((room) => room !== undefined))
  }
}

function updateWith(notification: Notification): { client: number; data: Uint8Array } {
  const inbox = new Y.Doc()
  addNotifications(inbox, [notification])
  const data = Y.encodeStateAsUpdate(inbox)
  inbox.destroy()
  return { client: inbox.clientID, data }
}

/** A UUID of version 8 (RFC 9562): the beginning of the key's hash. */
function idOfKey(key: string): string {
  const hash = createHash('sha256').update('coweave.notification:').update(key).digest()
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x80
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80
  const hex = hash.toString('hex', 0, 16)
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

function unavailable(): StorageError {
  return new StorageError(
    'storage/unavailable',
    'the notifications could not be stored now; send them again with the same key',
  )
}
