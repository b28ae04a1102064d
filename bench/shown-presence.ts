import { encodeEntries } from '../server/documents/awareness-entries.ts'
import type { BenchDialect } from './dialects.ts'
import type { RawClient } from './raw-client.ts'

/** Where a client shows presence, and as whom. */
export interface Shown {
  readonly client: RawClient
  readonly dialect: BenchDialect
  readonly document: string
  readonly clientId: number
}

/** Makes what shows a client as an editor with carets does, with whatever else there is then, each time it is called. */
export function presenceOf({ client, dialect, document, clientId }: Shown, rest = (): object => ({})): () => void {
  const user = { name: `Person ${clientId}`, color: '#958df1' }
  let clock = 0
  return () => {
    clock += 1
    const entry = { client: clientId, clock, state: JSON.stringify({ user, ...rest() }) }
    client.send(dialect.awareness(document, encodeEntries([entry])))
  }
}
