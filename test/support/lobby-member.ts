import { lastSeenOf } from '../../model/lobby.ts'
import { lobbyOf } from '../../model/rooms.ts'
import { type Client, openClient, whenDocument } from './clients.ts'
import type { TestServer } from './server.ts'

/** A device of `user` in the lobby of `group`, as a stock client; once it is seen there. */
export async function enterLobby(server: Pick<TestServer, 'socketUrl'>, group: string, user: string): Promise<Client> {
  const client = openClient(server, lobbyOf(group), { user })
  client.provider.setAwarenessField('user', { name: user })
  await client.synced()
  return client
}

/** Resolves with when `user` was last seen, as `client` knows, once that is later than `after`. */
export async function whenLastSeen(client: Client, user: string, after = 0): Promise<number> {
  const lastSeen = lastSeenOf(client.ydoc)
  await whenDocument(client.ydoc, () => (lastSeen.get(user) ?? 0) > after)
  return lastSeen.get(user) ?? 0
}
