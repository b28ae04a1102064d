import type { CloseCode } from '../../model/close-codes.ts'
import { CoweaveError } from '../../model/errors.ts'

/** A connection or request that is not let in; `closeCode` is what its socket is closed with. */
export class AccessError extends CoweaveError {
  override readonly name: string = 'AccessError'
  readonly closeCode: CloseCode

  constructor(code: string, closeCode: CloseCode, message: string, options?: ErrorOptions) {
    super(code, message, options)
    this.closeCode = closeCode
  }
}
