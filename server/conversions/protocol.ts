import type { Anchor } from '../../model/chat.ts'
import type { PackedSource } from '../documents/source.ts'
import type { NamedPlace } from '../formats/anchors.ts'
import type { ContentFormat } from '../formats/content-formats.ts'
import type { Change } from '../formats/formats.ts'

/** The formats that documents come in. */
export type Format = ContentFormat | 'yjs-json' | 'update'

/** What is to become of a document: all of what it holds, or a change of what a field says. */
export type Writing =
  | { readonly format: 'yjs-json'; readonly body: unknown }
  | { readonly format: ContentFormat; readonly field: string; readonly change: Change }

/** A Yjs client id that may write again where a document has its updates up to `clock`. */
export interface WriterId {
  readonly client: number
  readonly clock: number
}

export type Task =
  | { readonly kind: 'read'; readonly format: Format; readonly field: string }
  | { readonly kind: 'write'; readonly writing: Writing; readonly writer: WriterId | undefined }
  /** Answered with an anchor, in JSON. */
  | { readonly kind: 'locate'; readonly place: NamedPlace }
  /** Answered with what stands at each anchor, or null, in JSON. */
  | { readonly kind: 'quote'; readonly anchors: readonly Anchor[] }

/** A task and the document that it is about. */
export interface Request {
  readonly task: Task
  readonly source: PackedSource
}

/** A document in a format, in UTF-8 where that is text. */
export interface Converted {
  readonly kind: 'converted'
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** How to change a document. */
export interface Made {
  readonly kind: 'made'
  /** Undefined where it is so already. */
  readonly update: Uint8Array<ArrayBuffer> | undefined
  /** Whose the update is. */
  readonly writer: WriterId
  /** Behind the last letter in it. */
  readonly at: Anchor | undefined
}

export type Answer = Converted | Made
