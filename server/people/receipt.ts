/** How much of what a person had is erased, by kind. */
export interface Counts {
  /** Chat messages they wrote, reactions of theirs, and messages of others in which they were mentioned no more. */
  messages: number
  reactions: number
  mentions: number
  readMarks: number
  /** Calls they were part of; they stay, with the pseudonym in them. */
  calls: number
  /** Direct chats, which go on under a name without them. */
  directChats: number
  lobbyEntries: number
  lastSeen: number
  /** In their inbox. */
  notifications: number
  /** In inboxes of others, that came from them. */
  othersNotifications: number
  subscriptions: number
  events: number
  /** Rows of the log, claims of Yjs client ids, versions and deletions that the pseudonym has now. */
  updates: number
  clients: number
  versions: number
  deletions: number
  /** Notes of up to where they have seen documents. */
  seen: number
}

export function noCounts(): Counts {
  return {
    ...{ messages: 0, reactions: 0, mentions: 0, readMarks: 0, calls: 0, directChats: 0, lobbyEntries: 0, lastSeen: 0 },
    ...{ notifications: 0, othersNotifications: 0, subscriptions: 0, events: 0 },
    ...{ updates: 0, clients: 0, versions: 0, deletions: 0, seen: 0 },
  }
}

export function add(counts: Counts, more: Partial<Readonly<Counts>>): void {
  for (const key of Object.keys(more) as (keyof Counts)[]) counts[key] += more[key] ?? 0
}

/** What erasing a person leaves, and why. */
export const UNTOUCHED = [
  {
    what: 'the content of free-form documents',
    why: 'It belongs to the document. Who wrote it is a pseudonym now; what the text itself says of the person stays, and so do the names of documents and versions.',
  },
  { what: 'what others wrote', why: 'It is theirs, also where its text names the person.' },
  {
    what: 'chats beside deleted documents',
    why: 'They can’t be changed while their documents are deleted. Erase these documents, or ask again once they are restored.',
  },
  {
    what: 'what admins did, and whom they keep from what',
    why: 'It is the account of the admins’ actions, and a person who is kept out would come back by being erased. Lift what is not needed.',
  },
  { what: 'backups', why: 'They keep what they have until you delete them. Restored, erase the person again.' },
  { what: 'logs of the server', why: 'Lines of the process may hold user ids and addresses until you delete them.' },
  { what: 'copies on devices', why: 'They are out of the server’s reach until they connect, or for ever.' },
] as const
