import { CoweaveError } from '../../model/errors.ts'

/** Of a document of which the log has nothing. */
export function neverWritten(name: string): CoweaveError {
  return new CoweaveError('document/not-found', `${name} was never written`)
}
