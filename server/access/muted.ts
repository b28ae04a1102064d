import { CloseCode } from '../../model/close-codes.ts'
import { AccessError } from './access-error.ts'

export const MUTED = 'access/muted'
export const MUTED_REASON = 'an admin lets you only read here for now'

/** A user wants to write whom an admin lets only read. */
export function muted(): AccessError {
  return new AccessError(MUTED, CloseCode.Forbidden, MUTED_REASON)
}
