import { CloseCode } from '../model/close-codes.ts'
import { CoweaveError } from '../model/errors.ts'
import type { RefusalNotice } from '../model/refusals.ts'
import type { Refusal } from './api.ts'
import { RefusedError } from './errors.ts'

const reasons: ReadonlyMap<number, Refusal['reason']> = new Map([
  [CloseCode.Malformed, 'malformed'],
  [CloseCode.Unauthorized, 'unauthorized'],
  [CloseCode.Forbidden, 'forbidden'],
  [CloseCode.Timeout, 'timeout'],
  [CloseCode.ClientIdTaken, 'client-id-taken'],
  [CloseCode.Deleted, 'deleted'],
  [CloseCode.Reset, 'reset'],
  [CloseCode.TooBig, 'too-big'],
  [CloseCode.SchemaTooOld, 'schema-too-old'],
  [CloseCode.TooMany, 'too-many'],
])

/** What a close code that forbids coming back unchanged means here. */
export function refusalForClose(code: number, message: string): Refusal {
  return { reason: reasons.get(code) ?? 'other', message }
}

/** What a server means that denies one document; it sends the code of an error where a socket has a close code. */
export type Denial =
  | { readonly kind: 'token' }
  /** Storage or keys are away: later it may be different. */
  | { readonly kind: 'later' }
  /** The document was reset: what is here of it is not its content any more. */
  | { readonly kind: 'reset' }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

const RESET = 'document/reset'

export function readDenial(reason: string): Denial {
  if (/^access\/token|unauthori[sz]ed/i.test(reason)) return { kind: 'token' }
  if (reason === RESET) return { kind: 'reset' }
  if (/unavailable|^storage\/(?!corrupt)/.test(reason)) return { kind: 'later' }
  return { kind: 'refused', refusal: { reason: deniedBecause(reason), message: reason } }
}

/** The rule under which a server refuses edits of an app whose schema is too old. */
export const SCHEMA_RULE = 'document/schema-too-old'

/** What the failure of an upload means; with a notice where only the change was refused. */
export function readUploadFailure(
  error: unknown,
): Denial | { readonly kind: 'change'; readonly notice: RefusalNotice } {
  if (error instanceof RefusedError) return { kind: 'refused', refusal: error.refusal }
  const status = error instanceof CoweaveError && 'status' in error ? error.status : undefined
  if (!(error instanceof CoweaveError) || typeof status !== 'number') return { kind: 'later' }
  const { code, message } = error
  if (status === 401) return { kind: 'token' }
  if (code === RESET) return { kind: 'reset' }
  if (status < 400 || status >= 500 || status === 408 || status === 429) return { kind: 'later' }
  if (status === 413) return { kind: 'refused', refusal: { reason: 'too-big', message } }
  if (code === 'document/deleted') return { kind: 'refused', refusal: { reason: 'deleted', message } }
  if (code.startsWith('access/')) return { kind: 'refused', refusal: { reason: 'forbidden', message } }
  return { kind: 'change', notice: { rule: code, reason: message } }
}

function deniedBecause(reason: string): Refusal['reason'] {
  // Hocuspocus' own word for a hook that threw.
  if (/^access\/|^permission-denied$|forbidden/.test(reason)) return 'forbidden'
  if (/deleted/.test(reason)) return 'deleted'
  if (/schema/.test(reason)) return 'schema-too-old'
  if (/too-many/.test(reason)) return 'too-many'
  return /too-big/.test(reason) ? 'too-big' : 'other'
}
