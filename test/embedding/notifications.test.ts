import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { newMessageId } from '../../model/chat.ts'
import type { Authorize } from '../../server/index.ts'
import { newVapidKeys } from '../../server/push/vapid.ts'
import { act, callFrom } from '../support/calls.ts'
import { openClient } from '../support/clients.ts'
import { type Embedded, startEmbedded } from '../support/embedded.ts'
import { subscribe, TestPushService } from '../support/push-service.ts'
import { rest } from '../support/rest.ts'
import { databaseUrl, temporaryFolder } from '../support/server.ts'

const polled = { timeout: 20_000, interval: 20 }
const database = databaseUrl(temporaryFolder())

type Asked = Parameters<Authorize>[0]

/** What the product says of who is absent: nothing for a refusal. Whoever is there may write. */
const absent = new Map<string, () => 'read' | undefined>()
const asked: Asked[] = []
const authorize: Authorize = (asker) => {
  if (asker.isAbsent !== true) return 'write'
  asked.push(asker)
  const answer = absent.get(asker.user)
  return answer === undefined ? asker.granted : answer()
}
const away = () => {
  throw new Error('the database is away')
}
const counted = (user: string) => asked.filter((asker) => asker.user === user).length

let service: TestPushService
let server: Embedded

function start(): Promise<Embedded> {
  const { publicKey: VAPID_PUBLIC_KEY, privateKey: VAPID_PRIVATE_KEY } = keys
  return startEmbedded({
    authorize,
    settings: {
      ...{ DATABASE_URL: database, NOTIFY: 'anyone', AUTHORIZE_TIME: 100, CALL_RING_TIME: 1_000 },
      ...{ VAPID_PUBLIC_KEY, VAPID_PRIVATE_KEY, VAPID_SUBJECT: 'mailto:operator@example.org' },
      ...{ PUSH_HOSTS: service.origin, PUSH_DELAY: 1_000 },
    },
  })
}

const keys = newVapidKeys()
beforeAll(async () => {
  service = await TestPushService.start()
  server = await start()
})
beforeEach(() => {
  absent.clear()
  asked.length = 0
})
afterAll(async () => {
  await server.stop()
  service.close()
})

async function post(document: string, text: string, mentions: readonly string[], more: object = {}): Promise<string> {
  const id = newMessageId()
  const room = `/api/rooms/${encodeURIComponent(`chat/${document}`)}/messages`
  const body = { id, text, ...(mentions.length > 0 ? { mentions } : {}), ...more }
  expect((await rest(server, room, { method: 'POST', user: 'ann', body })).status).toBe(201)
  return id
}

/** What their inbox says, oldest first. */
async function bodiesOf(user: string): Promise<unknown[]> {
  const { body } = await rest(server, '/api/inbox', { user })
  return Array.isArray(body.notifications) ? body.notifications.map((each) => each.body) : expect.unreachable()
}

/** What waits to be told. */
async function held(): Promise<unknown> {
  return (await rest(server, '/api/events?kind=notification.held', { admin: true })).body.events
}

test('who may not read a document is not told what is said there; who may is, with all of it', async () => {
  absent.set('rob', () => undefined)
  const id = await post('plans/a', 'a secret for @rob', ['rob', 'ben'])
  await post('plans/b', 'the end', ['ben'])
  await expect.poll(() => bodiesOf('ben'), polled).toEqual(['a secret for @rob', 'the end'])
  expect(await bodiesOf('rob')).toEqual([])
  const { body } = await rest(server, '/api/inbox', { user: 'ben' })
  expect(body).toMatchObject({
    notifications: [
      {
        kind: 'mention',
        title: 'You were mentioned in plans/a',
        link: `/d/plans/a#message=${id}`,
        from: 'ann',
        document: 'plans/a',
      },
      {},
    ],
  })
  expect(asked[0]).toEqual({ user: 'rob', name: 'rob', admin: false, granted: 'read', isAbsent: true })
  // What was told waits no longer, nor what was refused.
  await expect.poll(held, polled).toEqual([])
})

test('of a message that is deleted while the product does not answer nobody is told', async () => {
  absent.set('dan', away)
  const client = openClient(server, 'chat/plans/gone@1', { user: 'ann' })
  onTestFinished(() => client.destroy())
  await client.synced()
  const id = await post('plans/gone', 'a mistake', ['dan'])
  await expect.poll(() => counted('dan'), polled).toBeGreaterThan(0)
  const message = () =>
    client.ydoc
      .getArray('messages')
      .toArray()
      .find((each) => Object(each).get('id') === id)
  await expect.poll(message, polled).toBeDefined()
  client.ydoc.transact(() => {
    Object(message()).set('text', '')
    Object(message()).set('deletedAt', Date.now())
  })
  await client.saved()
  absent.delete('dan')
  await post('plans/gone', 'after that', ['dan'])
  await expect.poll(() => bodiesOf('dan'), polled).toEqual(['after that'])
  await expect.poll(held, polled).toEqual([])
  expect(await bodiesOf('dan')).toEqual(['after that'])
})

test('what the product has not answered is told later, also after a restart, once, and keeps nobody waiting', async () => {
  absent.set('eve', away)
  await post('plans/later', 'one for each', ['eve', 'fay'])
  await expect.poll(() => bodiesOf('fay'), polled).toEqual(['one for each'])
  await expect.poll(() => counted('eve'), polled).toBeGreaterThan(1)
  expect(await bodiesOf('eve')).toEqual([])
  await server.stop()
  server = await start()
  const before = counted('eve')
  await expect.poll(() => counted('eve'), polled).toBeGreaterThan(before)
  expect(await bodiesOf('eve')).toEqual([])
  absent.delete('eve')
  await expect.poll(() => bodiesOf('eve'), polled).toEqual(['one for each'])
  expect(await bodiesOf('fay')).toEqual(['one for each'])
})

test('a missed call is told to who may read the document it is beside', async () => {
  absent.set('gus', () => undefined)
  const client = openClient(server, 'chat/plans/call', { user: 'ann' })
  onTestFinished(() => client.destroy())
  await client.synced()
  const peer = { edit: (edit: (head: typeof client.ydoc) => void) => edit(client.ydoc) }
  act(peer, callFrom(peer, 'ann', ['gus', 'hal']), 'cancel', 'ann')
  const callsOf = async (user: string) => (await rest(server, '/api/inbox', { user })).body.notifications
  await expect.poll(() => callsOf('hal'), polled).toMatchObject([{ kind: 'missed-call', from: 'ann' }])
  expect(await callsOf('gus')).toEqual([])
  expect(counted('gus')).toBe(1)
})

test('what waits to be pushed is asked about once more, and a browser of a revoked user is pushed nothing', async () => {
  const browserOf = async (user: string) => {
    const browser = service.browser()
    await subscribe(server, user, browser)
    return browser
  }
  const [ivy, jon, kim] = [await browserOf('ivy'), await browserOf('jon'), await browserOf('kim')]
  absent.set('ivy', () => (counted('ivy') === 1 ? 'read' : undefined))
  absent.set('jon', () => (counted('jon') === 2 ? away() : 'read'))
  const revoked = await rest(server, '/api/admin/revoke', { method: 'POST', admin: true, body: { user: 'kim' } })
  expect(revoked.status).toBe(200)
  await post('plans/pushed', 'now and later', ['ivy', 'jon', 'kim'])
  await expect.poll(() => jon.received.map(({ payload }) => payload.body), polled).toEqual(['now and later'])
  expect([counted('ivy'), counted('jon')]).toEqual([2, 3])
  expect([...ivy.received, ...kim.received]).toEqual([])
})
