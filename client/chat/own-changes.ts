import type * as Y from 'yjs'
import { type ChatMessage, deleteMessage, editMessage, setReaction } from '../../model/chat.ts'

/** Where the wanted and the actual reactions of one user differ: emoji → whether it is wanted. */
function reactionChanges(wanted: ChatMessage, actual: ChatMessage, user: string): Map<string, boolean> {
  const [before, after] = [emojiOf(actual, user), emojiOf(wanted, user)]
  const added = [...after].filter((emoji) => !before.has(emoji)).map((emoji) => [emoji, true] as const)
  const removed = [...before].filter((emoji) => !after.has(emoji)).map((emoji) => [emoji, false] as const)
  return new Map([...added, ...removed])
}

/**
 * Does again to `message` what its copy `wanted` says that `user` did to it: for changes that were lost together with
 * something that the server refused. What was changed by then in another way stays.
 */
export function redoOwnChanges(message: Y.Map<unknown>, wanted: ChatMessage, user: string): void {
  const actual = message.toJSON() as ChatMessage
  if (actual.deletedAt !== undefined) return
  for (const [emoji, isOn] of reactionChanges(wanted, actual, user)) setReaction(message, emoji, user, isOn)
  if (wanted.author !== user) return
  if (wanted.deletedAt !== undefined) deleteMessage(message)
  else if ((wanted.editedAt ?? 0) > (actual.editedAt ?? 0) && wanted.text !== actual.text) {
    editMessage(message, wanted.text)
  }
}

function emojiOf({ reactions = {} }: ChatMessage, user: string): Set<string> {
  const own = Object.keys(reactions).filter((key) => key.slice(key.indexOf(' ') + 1) === user)
  return new Set(own.map((key) => key.slice(0, key.indexOf(' '))))
}
