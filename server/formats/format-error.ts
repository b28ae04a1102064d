import { CoweaveError } from '../../model/errors.ts'

export type FormatCode =
  /** A node, mark or attribute that the format has no way to say. */
  | 'format/unknown-node'
  | 'format/unknown-mark'
  /** What was sent is no document: it can't be read, or no editor would take it. */
  | 'format/malformed'
  | 'format/invalid-document'
  | 'format/bad-link'
  | 'format/too-deep'
  | 'format/too-big'
  /** The document holds more than the format says, so that writing in it would lose the rest. */
  | 'format/lossy'
  /** The document has no root type of that name, or one of another kind. */
  | 'format/no-such-field'

/** A document that a format can't say, or a body that is none. */
export class FormatError extends CoweaveError {
  override readonly name = 'FormatError'
  declare readonly code: FormatCode

  constructor(code: FormatCode, message: string, options?: ErrorOptions) {
    super(code, message, options)
  }
}
