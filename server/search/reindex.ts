import { CoweaveError } from '../../model/errors.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { searchThreads } from './search-threads.ts'
import { CLAIM_MS, isSearched, restOf, textOf } from './text-indexer.ts'

const PAGE_DOCUMENTS = 200

export interface Reindexed {
  readonly messages: number
  readonly documents: number
  /** Documents whose text could not be made. */
  readonly failed: number
}

/**
 * Makes all that is searched in anew: words of messages, and texts of documents. Servers that go on meanwhile make some of
 * these themselves, whatever comes first.
 * @throws {StorageError}  @throws {CoweaveError} `search/encrypted`
 */
export async function reindex(log: UpdateLog, onProblem: (document: string, error: Error) => void): Promise<Reindexed> {
  const messages = await log.texts.rebuild()
  let [documents, failed] = [0, 0]
  // Whoever waits for a thread that ends is told.
  const threads = searchThreads(() => {})
  try {
    for (let after: number | undefined = 0; after !== undefined; ) {
      const page: Awaited<ReturnType<typeof log.texts.lagging>> = await log.texts.lagging({
        after,
        limit: PAGE_DOCUMENTS,
      })
      after = page.next
      for (const document of page.documents.filter(isSearched)) {
        try {
          const claim = await log.texts.claim(document, CLAIM_MS)
          if (claim.kind !== 'claimed') continue
          const { position, bytes, text } = await textOf(log, threads, document)
          await log.texts.put({ key: claim.key, position, text, restMs: restOf(bytes + text.length) })
          documents += 1
        } catch (error) {
          // Such as one that is damaged: the others are searched all the same.
          if (!(error instanceof CoweaveError)) throw error
          failed += 1
          onProblem(document, error)
        }
      }
    }
  } finally {
    await threads.close()
  }
  return { messages, documents, failed }
}
