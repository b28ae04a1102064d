import { CoweaveError } from '../../model/errors.ts'
import type { FoundDocument, TextCursor, TextIndex } from '../../persistence/text-index.ts'
import type { Access } from '../access/access.ts'
import type { Principal } from '../access/grants.ts'
import type { ExcerptPart } from './excerpt.ts'
import type { SearchThreads } from './search-threads.ts'

/** How often one search asks again for want of documents that the token may read, and for how many each time. */
const MAX_SEARCHES = 10
const PAGE = 200
/** A token with more grants than this has all documents looked at. */
const MAX_PREFIXES = 100

export interface DocumentQuery {
  readonly query: string
  readonly prefix: string
  readonly before: TextCursor | undefined
  readonly limit: number
}

export interface DocumentHit {
  readonly name: string
  /** The position that the excerpt is of. */
  readonly position: number
  readonly updatedAt: number
  readonly excerpt: readonly ExcerptPart[]
}

export interface DocumentHits {
  readonly documents: readonly DocumentHit[]
  readonly next: TextCursor | undefined
}

export interface DocumentSearchOptions {
  readonly texts: TextIndex
  readonly threads: SearchThreads
  readonly access: Access
  /** Whether there is an index (DOCUMENT_SEARCH). */
  readonly isOn: boolean
}

/** Finds documents by what they say. */
export class DocumentSearch {
  readonly #options: DocumentSearchOptions

  constructor(options: DocumentSearchOptions) {
    this.#options = options
  }

  /**
   * A page of the documents that `principal` may read and that have the words, the best first.
   * @throws {CoweaveError} `search/off`, `search/encrypted`, `search/busy`, `search/too-many`  @throws {StorageError}
   */
  async find(principal: Principal, wanted: DocumentQuery): Promise<DocumentHits> {
    if (!this.#options.isOn) throw new CoweaveError('search/off', 'DOCUMENT_SEARCH is off: documents are not indexed')
    const { found, next } = await this.#readable(principal, wanted)
    const excerpts = await this.#excerpts(principal.user, wanted.query, found)
    const documents = found.map(({ name, position, updatedAt }, index) => {
      return { name, position, updatedAt, excerpt: excerpts[index] ?? [] }
    })
    return { documents, next }
  }

  async #readable(
    principal: Principal,
    { query, prefix, before, limit }: DocumentQuery,
  ): Promise<{ readonly found: readonly FoundDocument[]; readonly next: TextCursor | undefined }> {
    const { texts, access } = this.#options
    // Where a product decides, what the token grants says nothing.
    const prefixes = access.isAsking ? [prefix] : prefixesOf(principal, prefix)
    const found: FoundDocument[] = []
    let last = before
    for (let searches = 0; searches < MAX_SEARCHES; searches += 1) {
      const page = await texts.search(query, { prefixes, before: last, limit: PAGE })
      const names = page.map(({ name }) => name)
      const readable = principal.admin ? new Set(names) : await access.readable(names, principal)
      for (const document of page) {
        last = document
        if (readable.has(document.name)) found.push(document)
        if (found.length === limit) return { found, next: last }
      }
      if (page.length < PAGE) return { found, next: undefined }
    }
    return { found, next: last }
  }

  async #excerpts(user: string, query: string, found: readonly FoundDocument[]) {
    if (found.length === 0) return []
    return await this.#options.threads.use(user, async (thread) => {
      // Who waits has read nothing yet: texts are up to 512 KiB each.
      const texts = await this.#options.texts.texts(found.map(({ id }) => id))
      const excerpts = await thread.call({ task: 'excerpts', query, texts }, texts)
      if ('text' in excerpts) throw new TypeError('the thread answered something else than excerpts')
      return excerpts
    })
  }
}

/** With what names begin that begin with `prefix` and that a principal may read. */
export function prefixesOf({ admin, grants }: Pick<Principal, 'admin' | 'grants'>, prefix: string): readonly string[] {
  if (admin || grants.length > MAX_PREFIXES) return [prefix]
  const granted = grants.flatMap((grant) => {
    if (grant.prefix.startsWith(prefix)) return [grant.prefix]
    return prefix.startsWith(grant.prefix) ? [prefix] : []
  })
  return [...new Set(granted)]
}
