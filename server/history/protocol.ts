import type { PackedSource } from '../documents/source.ts'

/** What a thread of history computes. */
export type Task =
  | { readonly kind: 'state' }
  | { readonly kind: 'difference'; readonly from: number }
  /** Takes back all rows above `after`, or those of one author. */
  | { readonly kind: 'revert'; readonly after: number; readonly author: string | undefined }
  | { readonly kind: 'volumes' }

/** A task and what the log has for it. */
export interface Request {
  readonly task: Task
  readonly source: PackedSource
}

/** A Yjs update, or JSON; undefined where there is nothing to take back. */
export type Answer = Uint8Array | string | undefined
