import type { DocumentState, Refusal } from '../../client/index.ts'

/**
 * Whether the text is safe. `changes` are those that the server has not acknowledged; where this browser keeps them,
 * those that it has: for the moment until its storage has committed an edit, the number is that of the edits before.
 */
export type SaveStatus =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'saved' }
  | { readonly kind: 'saving' }
  | { readonly kind: 'offline'; readonly changes: number; readonly kept: boolean }
  | {
      readonly kind: 'read-only'
      readonly because: Exclude<DocumentState['readOnly'], false>
      readonly changes: number
      readonly kept: boolean
    }
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly changes: number; readonly kept: boolean }

export function saveStatusOf({ status, readOnly, unsaved, unkept, kept }: DocumentState): SaveStatus {
  const changes = kept ? unsaved - unkept : unsaved
  if (status.kind === 'refused') return { kind: 'refused', refusal: status.refusal, changes, kept }
  if (status.kind === 'offline') return { kind: 'offline', changes, kept }
  if (readOnly !== false) return { kind: 'read-only', because: readOnly, changes, kept }
  if (unsaved > 0) return { kind: 'saving' }
  return { kind: status.kind === 'online' ? 'saved' : 'connecting' }
}
