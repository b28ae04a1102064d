import { CloseCode } from '../../model/close-codes.ts'
import { CoweaveError } from '../../model/errors.ts'
import { AccessError } from './access-error.ts'

export const SCHEMA_REASON = 'the document needs a newer version of the app: reload to get it'

/** The version of a client's document schema, where `?schema=` in its URL tells one. @throws {CoweaveError} `access/bad-schema` */
export function parseSchema(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new CoweaveError('access/bad-schema', 'schema must be a number, the version of the document schema')
}

/** Whether a client may only read, for its schema is older than `oldest` or it tells none. */
export function isSchemaOld(schema: number | undefined, oldest: number): boolean {
  return (schema ?? 0) < oldest
}

/** A client of too old a schema wants to write. */
export function schemaTooOld(): AccessError {
  return new AccessError('document/schema-too-old', CloseCode.SchemaTooOld, SCHEMA_REASON)
}
