import { CoweaveError } from '../../model/errors.ts'

export function neverWritten(name: string): CoweaveError {
  return new CoweaveError('document/not-found', `${name} was never written`)
}
