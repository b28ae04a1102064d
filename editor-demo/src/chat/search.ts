import type { ChatMessage } from '../../../model/chat.ts'
import { getJson } from '../api.ts'
import type { Session } from '../session.ts'

export interface SearchPage {
  /** The newest first. */
  readonly messages: readonly ChatMessage[]
  /** What to ask for the page after this one with; undefined at the end. */
  readonly next: number | undefined
}

interface SearchOptions {
  readonly before: number | undefined
  readonly signal: AbortSignal
}

const PAGE = 30

/** Finds messages of a room in the server's archive. @throws {Error} when the server doesn't answer as it should */
export async function searchMessages(
  session: Session,
  room: string,
  text: string,
  { before, signal }: SearchOptions,
): Promise<SearchPage> {
  const query = new URLSearchParams({ q: text, room, limit: String(PAGE) })
  if (before !== undefined) query.set('before', String(before))
  const answer = await getJson(`/api/search/messages?${query}`, session, signal)
  if (typeof answer !== 'object' || answer === null || !('messages' in answer) || !Array.isArray(answer.messages))
    throw new Error('the server sent something else than messages')
  const next = 'next' in answer && typeof answer.next === 'number' ? answer.next : undefined
  return { messages: answer.messages.filter(isMessage), next }
}

function isMessage(value: unknown): value is ChatMessage {
  if (typeof value !== 'object' || value === null) return false
  const { id, author, at, text } = value as Partial<Record<string, unknown>>
  return typeof id === 'string' && typeof author === 'string' && typeof at === 'number' && typeof text === 'string'
}
