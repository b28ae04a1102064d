import type * as Y from 'yjs'
import { excerptOf, linkTo, placeOf, titleOf } from './notices.ts'
import { type CausedNotification, notificationId } from './notifications.ts'
import { isDamage, RoomPeople, type RoomPeopleOptions } from './room-people.ts'

export interface MessageNotificationsOptions extends RoomPeopleOptions {
  /** See linkTo(). */
  readonly link: string
}

/** The open parts of a room: number → messages. */
export type OpenMessages = ReadonlyMap<number, Y.Array<Y.Map<unknown>>>

/** Whom a message is about. */
interface Addressees {
  readonly mentioned: readonly string[]
  /** Whose message it answers, unless that is the author, or mentioned. */
  readonly answered: string | undefined
}

/**
 * Whom the messages of one room notify: who is mentioned and belongs to the room, and whose message is answered. That is
 * looked up before a message is stamped; what it says is told with its stamp.
 */
export class MessageNotifications {
  readonly #options: MessageNotificationsOptions
  readonly #people: RoomPeople
  readonly #addressees = new WeakMap<Y.Map<unknown>, Addressees>()

  constructor(options: MessageNotificationsOptions) {
    this.#options = options
    this.#people = new RoomPeople(options)
  }

  /** Whether it must be looked up whom a message notifies. */
  isUnknown(message: Y.Map<unknown>): boolean {
    return (message.has('mentions') || message.has('replyTo')) && !this.#addressees.has(message)
  }

  /** @throws {StorageError} when that can't be told now */
  async lookUp(messages: readonly Y.Map<unknown>[], open: OpenMessages): Promise<void> {
    const mentioned = await this.#people.among(messages.flatMap(mentionsIn), [...open.keys()])
    const answered = await Promise.all(messages.map((message) => this.#answeredBy(message, open)))
    messages.forEach((message, index) => {
      const author = message.get('author')
      const original = answered[index] === author ? undefined : answered[index]
      // Who wrote in the room belongs to it.
      const users = mentionsIn(message).filter((user) => user !== author && (user === original || mentioned.has(user)))
      const isMentioned = original !== undefined && users.includes(original)
      this.#addressees.set(message, { mentioned: users, answered: isMentioned ? undefined : original })
    })
  }

  /** What is to be told of a message as it is now; nothing of one that is deleted. */
  of(message: Y.Map<unknown>): CausedNotification[] {
    const addressees = this.#addressees.get(message)
    if (addressees === undefined || message.has('deletedAt')) return []
    const { mentioned, answered } = addressees
    return [
      ...(mentioned.length === 0 ? [] : [this.#about(message, 'mention', 'You were mentioned', mentioned)]),
      ...(answered === undefined ? [] : [this.#about(message, 'reply', 'Reply to your message', [answered])]),
    ]
  }

  #about(message: Y.Map<unknown>, kind: string, event: string, to: readonly string[]): CausedNotification {
    const { room, link } = this.#options
    const id = String(message.get('id'))
    return {
      to,
      // One for each message, whatever it is about: nobody gets two.
      id: notificationId('message', `${id} ${room.room}`),
      message: id,
      notification: {
        kind,
        title: titleOf(event, room),
        body: excerptOf(String(message.get('text'))),
        link: linkTo(link, room, id),
        from: String(message.get('author')),
        ...placeOf(room),
      },
    }
  }

  async #answeredBy(message: Y.Map<unknown>, open: OpenMessages): Promise<string | undefined> {
    const id = message.get('replyTo')
    if (typeof id !== 'string') return undefined
    for (const messages of open.values()) {
      const found = messages.toArray().find((other) => other.get('id') === id)
      if (found !== undefined) return String(found.get('author'))
    }
    return await this.#archivedAuthor(id)
  }

  async #archivedAuthor(id: string): Promise<string | undefined> {
    const { log, room, onProblem } = this.#options
    try {
      const stored = await log.messages.find(room.room, id)
      if (stored === undefined) return undefined
      const { author }: Readonly<Record<string, unknown>> = JSON.parse(stored.json)
      return typeof author === 'string' ? author : undefined
    } catch (error) {
      if (!isDamage(error)) throw error
      onProblem(error)
      return undefined
    }
  }
}

function mentionsIn(message: Y.Map<unknown>): string[] {
  const mentions = message.get('mentions')
  return Array.isArray(mentions) ? mentions.map(String) : []
}
