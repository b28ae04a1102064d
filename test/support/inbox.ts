import { type Notification, notificationsIn } from '../../model/inbox.ts'
import { inboxOf } from '../../model/rooms.ts'
import { type Client, openClient, whenDocument } from './clients.ts'
import { type TestServer, type TokenOptions, tokenFor } from './server.ts'

type Server = Pick<TestServer, 'url' | 'socketUrl'>

export interface Answer {
  readonly status: number
  readonly body: {
    readonly id?: string
    readonly added?: number
    readonly known?: number
    readonly code?: string
    readonly notifications?: Notification[]
    readonly next?: string
  }
}

/** Asks the API as `user`; with a `body` it is a POST. */
export async function ask(
  { url }: Pick<Server, 'url'>,
  path: string,
  { user = 'backend', body, ...token }: { user?: string; body?: unknown } & TokenOptions = {},
): Promise<Answer> {
  const response = await fetch(url + path, {
    headers: {
      authorization: `Bearer ${tokenFor(user, token)}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  })
  return { status: response.status, body: await response.json() }
}

/** As a back end does. */
export function notify(server: Pick<Server, 'url'>, body: Readonly<Record<string, unknown>>): Promise<Answer> {
  return ask(server, '/api/notifications', { admin: true, body: { kind: 'test', title: 'a title', ...body } })
}

/** A stock client with the inbox of `user` open. */
export async function openInbox(server: Server, user: string): Promise<Client> {
  const client = openClient(server, inboxOf(user), { user })
  await client.synced()
  return client
}

export function titlesIn({ ydoc }: Pick<Client, 'ydoc'>): string[] {
  return notificationsIn(ydoc).map(({ title }) => title)
}

export function whenTitles(client: Client, ...titles: readonly string[]): Promise<void> {
  return whenDocument(client.ydoc, () => JSON.stringify(titlesIn(client)) === JSON.stringify(titles))
}
