import type { ChatMessage } from '../../../model/chat.ts'

/** How far one's own message has come. */
export type Tick = 'sending' | 'kept' | 'stored' | 'read'

export interface Reaction {
  readonly emoji: string
  readonly users: readonly string[]
  readonly isOwn: boolean
}

/** A message as the list shows it. */
export interface Row {
  readonly message: ChatMessage
  readonly isOwn: boolean
  /** When the room got it; before that, when it was written. */
  readonly at: number
  readonly startsDay: boolean
  readonly isFirstNew: boolean
  /** The author is named: not the same as right before. */
  readonly startsGroup: boolean
  readonly tick: Tick | undefined
  readonly reactions: readonly Reaction[]
  /** Why the server did not take it. */
  readonly problem: string | undefined
}

export interface ListInput {
  /** In order. */
  readonly messages: readonly ChatMessage[]
  readonly self: string
  /** User → the seq up to which they have read. */
  readonly reads: Readonly<Record<string, number>>
  /** The messages of others above this seq are new; 0 where nothing has been read yet. */
  readonly newAfter: number
  /** Whether this browser's storage has what was written. */
  readonly kept: boolean
  readonly problems: Readonly<Record<string, string>>
}

const GROUP_MS = 5 * 60_000

export function rowsOf({ messages, self, reads, newAfter, kept, problems }: ListInput): readonly Row[] {
  const firstNew = newAfter === 0 ? undefined : messages.find((message) => isNew(message, newAfter, self))
  let before: Row | undefined
  return messages.map((message) => {
    const at = message.receivedAt ?? message.at
    const isOwn = message.author === self
    const startsDay = before === undefined || !isSameDay(before.at, at)
    const isFirstNew = message === firstNew
    const follows =
      before !== undefined &&
      before.message.author === message.author &&
      at - before.at < GROUP_MS &&
      message.replyTo === undefined &&
      message.anchor === undefined
    const row: Row = {
      message,
      isOwn,
      at,
      startsDay,
      isFirstNew,
      startsGroup: startsDay || isFirstNew || !follows,
      tick: isOwn && message.deletedAt === undefined ? tickOf(message, reads, kept) : undefined,
      reactions: reactionsOf(message, self),
      problem: problems[message.id],
    }
    before = row
    return row
  })
}

function isNew({ author, seq = 0, deletedAt }: ChatMessage, newAfter: number, self: string): boolean {
  return author !== self && seq > newAfter && deletedAt === undefined
}

/** Read means: by everybody else who has ever read here. */
function tickOf({ author, seq }: ChatMessage, reads: ListInput['reads'], kept: boolean): Tick {
  if (seq === undefined) return kept ? 'kept' : 'sending'
  const others = Object.entries(reads).filter(([user]) => user !== author)
  return others.length > 0 && others.every(([, mark]) => mark >= seq) ? 'read' : 'stored'
}

/** By emoji, in the order in which each was first used. */
function reactionsOf({ reactions = {} }: ChatMessage, self: string): readonly Reaction[] {
  const users = new Map<string, string[]>()
  for (const [key] of Object.entries(reactions).toSorted(([, a], [, b]) => a - b)) {
    const space = key.indexOf(' ')
    const emoji = key.slice(0, space)
    users.set(emoji, [...(users.get(emoji) ?? []), key.slice(space + 1)])
  }
  return [...users].map(([emoji, users]) => ({ emoji, users, isOwn: users.includes(self) }))
}

function isSameDay(one: number, other: number): boolean {
  return new Date(one).toDateString() === new Date(other).toDateString()
}
