/**
 * The base of every error Coweave throws on purpose. Branch on `code`, which is public and stable
 * (`area/reason`); `message` is for people and says what to do about it.
 */
export class CoweaveError extends Error {
  override readonly name: string = 'CoweaveError'
  readonly code: string

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
