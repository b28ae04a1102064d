import { directChat, roomOf, segmentName } from '../../model/rooms.ts'
import type { ArchivedMessage } from '../../persistence/message-store.ts'
import { StorageError } from '../../persistence/storage-error.ts'
import type { DocumentSummary, NewUpdate, UpdateLog } from '../../persistence/update-log.ts'
import { NO_CHANGE } from '../documents/apply-update.ts'
import type { Deletions } from '../documents/deletions.ts'
import { SERVER } from '../documents/open-document.ts'
import type { Person } from './messages.ts'
import { isNamedAfter } from './naming.ts'

const PAGE_DOCUMENTS = 500
const PAGE_MESSAGES = 100

export interface DirectChatsOptions {
  readonly log: UpdateLog
  readonly deletions: Deletions
}

/**
 * Moves direct chats of a person to a name that is not made of theirs. What the other one wrote stays so, in a chat with
 * the pseudonym. Each step may be done again: after a crash the whole is.
 */
export class DirectChats {
  readonly #options: DirectChatsOptions

  constructor(options: DirectChatsOptions) {
    this.#options = options
  }

  /** The documents of their direct chats, by room; also those that an interrupted move() has left deleted. */
  async of(user: string): Promise<Map<string, DocumentSummary[]>> {
    const found: DocumentSummary[] = []
    for (const deleted of [false, true]) {
      for (let after: string | undefined = 'dm/'; after !== undefined; ) {
        const page = await this.#options.log.documents({ prefix: 'dm/', after, limit: PAGE_DOCUMENTS, deleted })
        found.push(...page.filter(({ name }) => isNamedAfter(user, name)))
        after = page.length < PAGE_DOCUMENTS ? undefined : page.at(-1)?.name
      }
    }
    return Map.groupBy(found, ({ name }) => roomOf(name)?.room ?? name)
  }

  /** Whoever has one of them open is told that it is deleted. */
  async move(room: string, documents: readonly DocumentSummary[], person: Person): Promise<void> {
    const { deletions } = this.#options
    const target = targetOf(room, person)
    // The head last, with which the archive is erased: nothing changes that any more once the segments are deleted.
    const ordered = documents.toSorted((one, other) => other.name.length - one.name.length)
    for (const { name, deleted } of ordered) {
      if (name === room) await this.#copyArchive(room, target)
      if (!deleted?.isErased) await this.#copy(name, target, person)
    }
    for (const { name } of ordered) {
      await deletions.erase(name)
      await deletions.free(name)
    }
  }

  /** Lets all of it be changed that an interrupted move() has left. */
  async reopen(documents: readonly DocumentSummary[]): Promise<void> {
    for (const { name, deleted } of documents) {
      if (deleted?.isErased === false) await this.#options.deletions.undelete(name)
    }
  }

  /** Copies a document as it is once nobody can change it any more. */
  async #copy(name: string, target: string, person: Person): Promise<void> {
    const { log, deletions } = this.#options
    await deletions.undelete(name)
    for (;;) {
      const copied = await this.#copyNow(name, target, person)
      await deletions.deleteUntold(name)
      const [gone] = await log.documents({ prefix: name, limit: 1, deleted: true })
      if (gone?.name !== name || gone.position === copied) return
      await deletions.undelete(name)
    }
  }

  /** Resolves with the position that was copied. */
  async #copyNow(name: string, target: string, { user, pseudonym }: Person): Promise<number> {
    const { log } = this.#options
    const { parts, position, clients } = await log.load(name)
    const segment = roomOf(name)?.segment
    const document = segment === undefined ? target : segmentName(target, segment)
    const at = Date.now()
    const owners = Map.groupBy(clients.keys(), (client) => clients.get(client) ?? SERVER)
    const batch = Array.from(owners, ([owner, owned]): NewUpdate => {
      const author = owner === user ? pseudonym : owner
      return { document, at, author, clients: owned, data: NO_CHANGE }
    })
    batch.push(...parts.map((data): NewUpdate => ({ document, at, author: SERVER, clients: [], data })))
    await this.#append(batch)
    return position
  }

  async #copyArchive(room: string, target: string): Promise<void> {
    const { log } = this.#options
    for (let before = Number.MAX_SAFE_INTEGER; ; ) {
      const page = await log.messages.list(room, { before, limit: PAGE_MESSAGES })
      const messages = page.map((message): ArchivedMessage => ({ ...message, room: target }))
      const update = { document: target, at: Date.now(), author: SERVER, clients: [], data: NO_CHANGE, messages }
      if (messages.length > 0) await this.#append([update])
      const [first] = page
      if (first === undefined || page.length < PAGE_MESSAGES) return
      before = first.seq
    }
  }

  /** What it is copied from is erased then: nothing may be left out. @throws {StorageError} `storage/unavailable` */
  async #append(batch: readonly NewUpdate[]): Promise<void> {
    const positions = await this.#options.log.append(batch)
    if (positions.every((position) => position > 0)) return
    const [update] = batch
    throw new StorageError('storage/unavailable', `${update?.document} takes no copy of another chat`)
  }
}

function targetOf(room: string, { user, pseudonym }: Person): string {
  const chat = roomOf(room)
  const members = chat?.kind === 'dm' ? chat.members : []
  // One who writes to themselves has two pseudonyms in one room's name, as they were twice in it before.
  const [one = pseudonym, other = pseudonym] = members.map((member) => (member === user ? pseudonym : member))
  return directChat(one, other)
}
