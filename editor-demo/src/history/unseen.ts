import type { DocumentHistory, EditingSession } from '../../../client/index.ts'

const PAGE = 30

/** What others changed since one last looked. */
export interface Unseen {
  /** Up to where one had seen the document. */
  readonly from: number
  readonly until: number
  /** Who changed it, the latest first. */
  readonly users: readonly string[]
}

/** Who has never looked at a document has missed nothing of it. @throws {CoweaveError} as DocumentHistory */
export async function readUnseen(history: DocumentHistory, self: string): Promise<Unseen | undefined> {
  const from = await history.seen()
  if (from === 0) return undefined
  const { sessions } = await history.sessions({ limit: PAGE })
  return unseenIn(sessions, from, self)
}

export function unseenIn(sessions: readonly EditingSession[], from: number, self: string): Unseen | undefined {
  const news = sessions.filter(({ lastPosition, user }) => lastPosition > from && user !== self && user !== '')
  if (news.length === 0) return undefined
  const until = Math.max(...sessions.map(({ lastPosition }) => lastPosition))
  return { from, until, users: [...new Set(news.map(({ user }) => user))] }
}
