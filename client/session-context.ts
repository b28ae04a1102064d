import type { Connection } from './connection.ts'
import type { LocalCopies } from './local-copies.ts'
import type { MessageSizes } from './message-sizes.ts'
import type { Tokens } from './tokens.ts'

export interface Upload {
  readonly url: string
  readonly name: string
  readonly update: Uint8Array
  readonly token: string
  readonly signal: AbortSignal
}

/** What the documents of one session share. */
export interface SessionContext {
  /** Of the HTTP API. */
  readonly url: string
  readonly tokens: Tokens
  readonly connection: Connection
  readonly sizes: MessageSizes
  /** This device's copies of the user's documents; undefined where nothing is kept. */
  copiesOf(user: string): LocalCopies | undefined
  /** Resolves once the server has the update on its disk. Undefined where updates only go over the socket. */
  readonly uploadUpdate: ((upload: Upload) => Promise<void>) | undefined
}
