/**
 * A client that sends this as a stateless message, once a document is open, is told of a refused change by a
 * stateless message and keeps its socket. Others are closed with 4403.
 */
export const UNDERSTANDS_REFUSALS = 'coweave:understands-refusals'

/**
 * A stateless message of the server, once a document is open: the client's schema is too old for it, so that it may
 * only read.
 */
export const SCHEMA_TOO_OLD = 'coweave:schema-too-old'

const PREFIX = 'coweave:refused:'

/** Why a change of this client was refused. The document is as if it had never been made. */
export interface RefusalNotice {
  /** Stable, such as `chat/foreign-author`. */
  readonly rule: string
  readonly reason: string
}

export function encodeRefusal(notice: RefusalNotice): string {
  return PREFIX + JSON.stringify(notice)
}

/** The notice in a stateless message of the server; undefined for any other message. */
export function decodeRefusal(payload: string): RefusalNotice | undefined {
  if (!payload.startsWith(PREFIX)) return undefined
  const value: unknown = JSON.parse(payload.slice(PREFIX.length))
  if (typeof value !== 'object' || value === null || !('rule' in value) || !('reason' in value)) return undefined
  return { rule: String(value.rule), reason: String(value.reason) }
}
