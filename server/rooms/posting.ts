import type { Document } from '@hocuspocus/server'
import * as Y from 'yjs'
import { type Draft, messagesOf, newMessageId, sendMessage } from '../../model/chat.ts'
import { CoweaveError } from '../../model/errors.ts'
import { segmentName } from '../../model/rooms.ts'
import type { ArchivedMessage } from '../../persistence/message-store.ts'
import { StorageError } from '../../persistence/storage-error.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { Access } from '../access/access.ts'
import type { Documents } from '../documents/documents.ts'
import type { Durability } from '../documents/durability.ts'
import { type Author, RefusedError } from '../documents/guard.ts'
import type { Rooms } from './rooms.ts'

export interface PostingOptions {
  readonly log: UpdateLog
  readonly durability: Durability
  readonly documents: Documents
  readonly rooms: Rooms
  /** Whether the author may still post: finding the place takes its time. */
  readonly access: Access
}

/** A message for a room. With an `id` it may be posted again: whoever has no answer doesn't know whether it arrived. */
export interface Post {
  readonly room: string
  readonly author: Author
  readonly draft: Draft
  readonly id?: string | undefined
}

export interface Posted {
  readonly message: ArchivedMessage
  /** False if the room had it already. */
  readonly isNew: boolean
}

/**
 * Messages of programs that have no socket: each is written into a replica and handed to the room's document as a
 * client's update would be, so that the same rules hold.
 */
export class Posting {
  readonly #options: PostingOptions
  /** Where messages are written, for each open segment and user: one Yjs client id for many posts. */
  readonly #replicas = new WeakMap<Document, Map<string, Y.Doc>>()

  constructor(options: PostingOptions) {
    this.#options = options
  }

  /**
   * Resolves once the message is stored and has its `seq`. The caller has checked that the author may post at all.
   * @throws {RefusedError} when a rule of the room forbids it
   * @throws {CoweaveError} `chat/duplicate-id` when the id is that of somebody else's message
   * @throws {StorageError} `storage/unavailable` when it could not be stored, as far as is known
   */
  async post({ room, author, draft, id }: Post): Promise<Posted> {
    const message = { ...draft, id: id ?? newMessageId() }
    const { rooms } = this.#options
    for (let last = 0; ; ) {
      const segment = await rooms.openSegment(room)
      if (segment <= last) throw new CoweaveError('chat/segment-closed', `${room} has no open part now`)
      last = segment
      const name = segmentName(room, segment)
      const outcome = await rooms.withDocument(name, (document) => this.#write(document, room, author, message))
      if (outcome === 'closed') continue
      return { message: await this.#stored(room, message.id, author), isNew: outcome === 'written' }
    }
  }

  /** A message that the room has already. @throws {CoweaveError} `chat/duplicate-id` when it is somebody else's */
  async posted(room: string, id: string, author: Author): Promise<ArchivedMessage | undefined> {
    const message = await this.#options.log.messages.find(room, id)
    if (message !== undefined) refuseOthers(message, room, id, author)
    return message
  }

  async #write(document: Document, room: string, author: Author, { id, ...draft }: Draft & { id: string }) {
    const { durability, log, rooms, access } = this.#options
    // Whatever an earlier part of the room holds was stamped before this one was opened: then it is in the archive.
    await durability.settled()
    if ((await log.messages.find(room, id)) !== undefined) return 'found'
    await access.confirm(room, author.principal)
    // From here to receive() nothing else happens, so that the same message posted twice at once is taken once.
    const has = messagesOf(document)
      .toArray()
      .some((message) => message.get('id') === id)
    const outcome = has ? 'found' : this.#receive(document, author, draft, id)
    await rooms.stamp(document)
    return outcome
  }

  #receive(document: Document, author: Author, draft: Draft, id: string): 'written' | 'found' | 'closed' {
    const open = this.#options.documents.get(document)
    if (open === undefined) throw unavailable()
    try {
      const update = this.#updateOf(document, author.principal.user, draft, id)
      open.receive({ ...author, address: open.address, send() {} }, update, false)
      return 'written'
    } catch (error) {
      this.#replicas.get(document)?.delete(author.principal.user)
      if (error instanceof RefusedError && error.code === 'chat/segment-closed') return 'closed'
      if (error instanceof RefusedError && error.code === 'chat/duplicate-id') return 'found'
      throw error
    }
  }

  #updateOf(document: Document, user: string, draft: Draft, id: string): Uint8Array {
    const replicas = this.#replicas.get(document) ?? new Map<string, Y.Doc>()
    this.#replicas.set(document, replicas)
    const replica = replicas.get(user) ?? new Y.Doc()
    replicas.set(user, replica)
    Y.applyUpdate(replica, Y.encodeStateAsUpdate(document, Y.encodeStateVector(replica)))
    sendMessage(replica, user, draft, id)
    return Y.encodeStateAsUpdate(replica, Y.encodeStateVector(document))
  }

  async #stored(room: string, id: string, author: Author): Promise<ArchivedMessage> {
    await this.#options.durability.settled()
    const message = await this.#options.log.messages.find(room, id)
    if (message === undefined) throw unavailable()
    refuseOthers(message, room, id, author)
    return message
  }
}

function refuseOthers({ json }: ArchivedMessage, room: string, id: string, { principal }: Author): void {
  if (JSON.parse(json).author === principal.user) return
  throw new CoweaveError('chat/duplicate-id', `${room} has a message of somebody else with the id ${id}`)
}

function unavailable(): StorageError {
  return new StorageError('storage/unavailable', 'the message could not be stored now; post it again with the same id')
}
