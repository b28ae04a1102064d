import { CoweaveError } from '../model/errors.ts'
import type { Refusal } from './api.ts'

/** To be thrown by the app's `token` function: this user gets none. Codes: `client/token-refused`. */
export class TokenRefusedError extends CoweaveError {
  override readonly name = 'TokenRefusedError'

  constructor(message = 'there is no token for this user', options?: ErrorOptions) {
    super('client/token-refused', message, options)
  }
}

/** The server, or the library, won't go on unless the app does something. Code: `client/refused`. */
export class RefusedError extends CoweaveError {
  override readonly name = 'RefusedError'
  readonly refusal: Refusal

  constructor(refusal: Refusal, options?: ErrorOptions) {
    super('client/refused', refusal.message === '' ? refusal.reason : `${refusal.reason}: ${refusal.message}`, options)
    this.refusal = refusal
  }
}

/** Edits that won't reach the server. Codes: `client/read-only`, `client/change-refused`. */
export class NotSavedError extends CoweaveError {
  override readonly name = 'NotSavedError'
}

export function closedError(what: string): CoweaveError {
  return new CoweaveError('client/closed', `${what} was closed`)
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
