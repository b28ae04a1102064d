import type { ChatMessage } from '../../model/chat.ts'
import { isKeyOf } from '../../persistence/map-keys.ts'

/** Who is erased, and who stands in their place. */
export interface Person {
  readonly user: string
  readonly pseudonym: string
}

/**
 * A message as it is once a person is erased; undefined if it says nothing of them. One of theirs is a deleted message of the
 * pseudonym, without whom and what it was about; its place, its times and what others reacted with stay. In one of
 * somebody else they are mentioned no more, and their reactions are gone; the text is the other's.
 */
export function messageWithout(
  { user, pseudonym }: Person,
  message: ChatMessage,
  now: number,
): ChatMessage | undefined {
  const { reactions = {}, mentions } = message
  const reacted = Object.entries(reactions).filter(([key]) => !isKeyOf(user, key))
  const others = reacted.length === Object.keys(reactions).length ? {} : { reactions: Object.fromEntries(reacted) }
  if (message.author !== user) {
    const isMentioned = mentions?.includes(user) === true
    if (!isMentioned && others.reactions === undefined) return undefined
    return { ...message, ...others, ...(isMentioned ? { mentions: mentions.filter((each) => each !== user) } : {}) }
  }
  const { anchor: _anchor, mentions: _mentions, attachments, ...rest } = { ...message, ...others }
  return {
    ...rest,
    author: pseudonym,
    text: '',
    ...(attachments === undefined ? {} : { attachments: [] }),
    deletedAt: message.deletedAt ?? now,
  }
}

/** What of a message was the person's, for the receipt. */
export function countsOf({ user }: Person, { author, mentions, reactions = {} }: ChatMessage) {
  return {
    messages: author === user ? 1 : 0,
    mentions: author !== user && mentions?.includes(user) === true ? 1 : 0,
    reactions: Object.keys(reactions).filter((key) => isKeyOf(user, key)).length,
  }
}
