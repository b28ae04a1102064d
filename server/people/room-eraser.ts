import type * as Y from 'yjs'
import type { ChatMessage } from '../../model/chat.ts'
import { dismissNotifications, notificationsIn } from '../../model/inbox.ts'
import { type Room, roomOf } from '../../model/rooms.ts'
import type { ArchivedMessage } from '../../persistence/message-store.ts'
import { StorageError } from '../../persistence/storage-error.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { NO_CHANGE } from '../documents/apply-update.ts'
import type { Durability } from '../documents/durability.ts'
import { type OpenDocument, SERVER } from '../documents/open-document.ts'
import type { Dismissed } from '../inbox/inbox-archive.ts'
import type { Rooms } from '../rooms/rooms.ts'
import { countsOf, messageWithout, type Person } from './messages.ts'
import { isNamedInUpdate } from './naming.ts'
import { add, type Counts } from './receipt.ts'
import { eraseFromHead, eraseFromLobby, eraseFromSegment } from './room-content.ts'

const PAGE_MESSAGES = 100
/** How often a document is gone through: somebody may be writing a snapshot of it as it was before. */
const MAX_ATTEMPTS = 3

export interface RoomEraserOptions {
  readonly log: UpdateLog
  readonly durability: Durability
  readonly rooms: Pick<Rooms, 'withDocument' | 'stamp'>
  /** The document of that name, if this instance has it open. */
  readonly openDocument: (name: string) => OpenDocument | undefined
  /** Has a document unloaded that nobody has open. */
  readonly letGo: (document: OpenDocument) => void
}

/**
 * Takes people out of the documents of rooms: by changes of the server's, which those who have them open see, too, and then
 * out of what the log keeps of the time before.
 */
export class RoomEraser {
  readonly #options: RoomEraserOptions

  constructor(options: RoomEraserOptions) {
    this.#options = options
  }

  /**
   * Adds what there was to `counts`. Resolves with whether there was anything.
   * @throws {CoweaveError} when it can't be opened  @throws {StorageError} `storage/unavailable` when others kept writing snapshots
   */
  async erase(document: string, person: Person, counts: Counts): Promise<boolean> {
    const { log, durability, rooms, openDocument, letGo } = this.#options
    const room = roomOf(document)
    if (room === undefined) return false
    const isHead = room.kind !== 'lobby' && room.segment === undefined
    const wasArchived = isHead && (await this.#eraseFromArchive(room, person, counts))
    let scrubbed = 0
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      if (!(await this.#isNamed(document, person.user))) return wasArchived || attempt > 0
      await rooms.withDocument(document, async (ydoc) => {
        if (room.kind !== 'inbox' && room.kind !== 'lobby' && room.segment !== undefined) await rooms.stamp(ydoc)
        ydoc.transact(() => change(ydoc, room, person, counts))
      })
      await durability.settled()
      scrubbed = await log.people.scrub(document, person.user)
      await log.retention.forget(document, scrubbed)
      // In memory are still the keys that were removed.
      const open = openDocument(document)
      if (open !== undefined) letGo(open)
    }
    if (scrubbed > 0) return true
    throw new StorageError('storage/unavailable', `others write snapshots of ${document} all the time`)
  }

  /** Whether the log keeps anything in which the user is named, or which they wrote. */
  async #isNamed(document: string, user: string): Promise<boolean> {
    const { log } = this.#options
    const { parts } = await log.load(document)
    if (parts.some((part) => isNamedInUpdate(user, part))) return true
    const base = await log.retention.historyBase(document)
    if (base !== undefined && isNamedInUpdate(user, base.state)) return true
    for await (const { author, data } of log.read(document, base?.position ?? 0)) {
      if (author === user || isNamedInUpdate(user, data)) return true
    }
    return false
  }

  async #eraseFromArchive(room: Room, person: Person, counts: Counts): Promise<boolean> {
    let isChanged = false
    for (let before = Number.MAX_SAFE_INTEGER; ; ) {
      const page = await this.#options.log.messages.list(room.room, { before, limit: PAGE_MESSAGES })
      const changed = page.flatMap((message) => changedInArchive(message, room, person, counts))
      if (changed.length > 0) {
        await this.#store(room.room, changed)
        isChanged = true
      }
      const [first] = page
      if (first === undefined || page.length < PAGE_MESSAGES) return isChanged
      before = first.seq
    }
  }

  /** Messages as they are now, with a row that changes nothing. */
  async #store(room: string, messages: readonly ArchivedMessage[]): Promise<void> {
    const { durability, openDocument } = this.#options
    const row = { author: SERVER, clients: [], data: NO_CHANGE }
    await new Promise<void>((resolve, reject) => {
      durability.append({ document: room, at: Date.now(), ...row, messages }, (position) => {
        if (position === undefined) return reject(unavailable(room))
        if (position > 0) openDocument(room)?.takeCommitted({ ...row, position })
        resolve()
      })
    })
  }
}

function change(ydoc: Y.Doc, room: Room, person: Person, counts: Counts): void {
  if (room.kind === 'inbox') {
    const own = notificationsIn(ydoc).filter(({ from }) => from === person.user)
    dismissNotifications(
      ydoc,
      own.map(({ id }) => id),
    )
  } else if (room.kind === 'lobby') {
    add(counts, eraseFromLobby(ydoc, person))
  } else if (room.segment === undefined) {
    add(counts, eraseFromHead(ydoc, person))
  } else {
    eraseFromSegment(ydoc, person)
  }
}

function changedInArchive(
  message: ArchivedMessage,
  { kind }: Room,
  person: Person,
  counts: Counts,
): ArchivedMessage | readonly [] {
  const parsed: ChatMessage & { readonly from?: unknown } = JSON.parse(message.json)
  if (kind === 'inbox') {
    if (parsed.from !== person.user) return []
    add(counts, { othersNotifications: 1 })
    const dismissed: Dismissed = { id: message.id, dismissedAt: Date.now() }
    return { ...message, json: JSON.stringify(dismissed) }
  }
  const without = messageWithout(person, parsed, Date.now())
  if (without === undefined) return []
  add(counts, countsOf(person, parsed))
  return { ...message, json: JSON.stringify(without) }
}

function unavailable(room: string): StorageError {
  return new StorageError('storage/unavailable', `the messages of ${room} could not be stored now`)
}
