import type { ChatMessage } from '../../model/chat.ts'

/** The highest `seq` of messages that are in order; 0 when none is stored. */
export function lastSeq(messages: readonly ChatMessage[]): number {
  return messages.findLast(({ seq }) => seq !== undefined)?.seq ?? 0
}

/** Whether a message is somebody else's, stored after `mark` and not deleted. */
export function isUnread({ author, seq = 0, deletedAt }: ChatMessage, mark: number, self: string): boolean {
  return author !== self && seq > mark && deletedAt === undefined
}

/** How many messages of others are unread at `mark`; those that are not loaded all count. */
export function unreadCount(messages: readonly ChatMessage[], mark: number, self: string): number {
  const first = messages.find(({ seq }) => seq !== undefined)?.seq ?? 1
  return Math.max(0, first - 1 - mark) + messages.filter((message) => isUnread(message, mark, self)).length
}
