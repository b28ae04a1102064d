import type { PackedSource } from '../documents/source.ts'
import type { ExcerptPart } from './excerpt.ts'

export type Request =
  /** What people read in a document. */
  | { readonly task: 'text'; readonly source: PackedSource }
  /** Where the words of a query stand in texts. */
  | { readonly task: 'excerpts'; readonly query: string; readonly texts: readonly Uint8Array<ArrayBuffer>[] }

export interface TextOfDocument {
  /** In UTF-8. */
  readonly text: Uint8Array<ArrayBuffer>
  /** How long it took to make. */
  readonly ms: number
}

export type Answer = TextOfDocument | readonly (readonly ExcerptPart[])[]
