import type { ChatMessage } from '../../model/chat.ts'
import { CoweaveError } from '../../model/errors.ts'
import type { SearchPage } from '../api.ts'
import { fieldsOf, problemIn } from '../problem.ts'
import type { SessionDocuments } from '../session-documents.ts'
import { messageIn } from './message-shape.ts'

interface SearchOptions {
  readonly before?: number
  readonly signal?: AbortSignal
}

const PAGE = 30

/**
 * Finds messages of a room in the server's archive.
 * @throws {CoweaveError} the code that the server gives, or `http/bad-answer`
 */
export async function searchMessages(
  documents: SessionDocuments,
  room: string,
  text: string,
  { before, signal }: SearchOptions = {},
): Promise<SearchPage> {
  const query = new URLSearchParams({ q: text, room, limit: String(PAGE) })
  if (before !== undefined) query.set('before', String(before))
  const response = await documents.fetch(`/api/search/messages?${query}`, signal === undefined ? {} : { signal })
  // What isn't JSON comes from something between here and the server.
  const answer: unknown = await response.json().catch(() => undefined)
  signal?.throwIfAborted()
  if (!response.ok) throw problemIn(answer, response.status)
  const { messages, next } = fieldsOf(answer)
  if (!Array.isArray(messages))
    throw new CoweaveError('http/bad-answer', 'the server sent something else than messages')
  return {
    messages: messages.map(messageIn).filter((message): message is ChatMessage => message !== undefined),
    next: typeof next === 'number' ? next : undefined,
  }
}
