import type { Session } from '../../client/index.ts'

/** A list to choose from by eye has an end. */
const MAX_PAGES = 5

export interface ListedDocument {
  readonly name: string
  /** ms since 1970 */
  readonly updatedAt: number
}

/** The notes on the server, the latest edited first. @throws {Error} when the server doesn't answer as it should */
export async function listDocuments(session: Session, signal: AbortSignal): Promise<readonly ListedDocument[]> {
  const documents: ListedDocument[] = []
  let after: string | undefined = ''
  for (let pages = 0; pages < MAX_PAGES && after !== undefined; pages++) {
    const query = new URLSearchParams({ prefix: 'notes/', limit: '100', after })
    const response = await session.fetch(`/api/documents?${query}`, { signal })
    if (!response.ok) throw new Error(`the server answered ${response.status}`)
    const answer: unknown = await response.json()
    documents.push(...documentsIn(answer))
    after = nextIn(answer)
  }
  return documents.toSorted((a, b) => b.updatedAt - a.updatedAt)
}

function nextIn(answer: unknown): string | undefined {
  if (typeof answer !== 'object' || answer === null || !('next' in answer)) return undefined
  return typeof answer.next === 'string' ? answer.next : undefined
}

function documentsIn(answer: unknown): ListedDocument[] {
  if (typeof answer !== 'object' || answer === null || !('documents' in answer) || !Array.isArray(answer.documents))
    throw new Error('the server sent something else than a list of documents')
  return answer.documents.filter(isListedDocument)
}

function isListedDocument(entry: unknown): entry is ListedDocument {
  if (typeof entry !== 'object' || entry === null) return false
  const { name, updatedAt } = entry as Partial<Record<string, unknown>>
  return typeof name === 'string' && typeof updatedAt === 'number'
}
