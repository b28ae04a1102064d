import type { Connection } from './connection.ts'
import type { LocalCopies } from './local-copies.ts'
import type { MessageSizes } from './message-sizes.ts'
import type { Tokens } from './tokens.ts'

/** An update that is too big for the socket. */
export interface Upload {
  readonly url: string
  readonly name: string
  readonly update: Uint8Array
  /** Called for each request: an upload may outlast a token. */
  readonly token: () => Promise<string>
  readonly schema: number | undefined
  readonly signal: AbortSignal
}

/** What the documents of one session share. */
export interface SessionContext {
  /** Of the HTTP API. */
  readonly url: string
  /** The version of the app's document schema. */
  readonly schema: number | undefined
  readonly tokens: Tokens
  readonly connection: Connection
  readonly sizes: MessageSizes
  /** This device's copies of the user's documents; undefined where nothing is kept. */
  copiesOf(user: string): LocalCopies | undefined
  /** Resolves once the server has the update on its disk. Undefined where updates only go over the socket. */
  readonly uploadUpdate: ((upload: Upload) => Promise<void>) | undefined
}
