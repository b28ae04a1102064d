import Database from 'better-sqlite3'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { eventsOf, type ToldEvent } from '../support/events.ts'
import { createRandom, isSoak, seedsFor } from '../support/random.ts'
import { rest } from '../support/rest.ts'
import { databaseUrl, startServer, type TestServer } from '../support/server.ts'
import { isSigned, type Manner, WebhookReceiver } from '../support/webhook-receiver.ts'

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const environment = {
  WEBHOOK_PRIVATE_HOSTS: '127.0.0.1',
  WEBHOOK_TIMEOUT: '300',
  WEBHOOK_RETRY_DELAY: '20',
  WEBHOOK_RETRY_TIME: '120000',
}
const patient = { timeout: 60_000 }
const admin = { admin: true } as const

let server: TestServer
/** The number of the last event before a test. */
let last = 0

beforeAll(async () => {
  server = await startServer({ environment })
})
afterAll(() => server.kill())

async function register(on: TestServer, body: object): Promise<{ id: string; secret: string }> {
  const answer = await rest(on, '/api/webhooks', { ...admin, method: 'POST', body })
  if (answer.status !== 201) throw new Error(answer.text)
  const { id, secret } = answer.body
  return { id: String(id), secret: String(secret) }
}

function say(on: TestServer, room: string, text: string) {
  return rest(on, `/api/rooms/${encodeURIComponent(room)}/messages`, { method: 'POST', body: { text }, user: 'ann' })
}

async function deliveriesOf(on: TestServer, id: string, query = '') {
  const { body } = await rest(on, `/api/webhooks/${id}/deliveries?${query}`, admin)
  return body.deliveries
}

test.each(seedsFor([7], 2))(
  '[promise 1] a receiver that fails in every way gets every event in the order of its document, from two instances, one of which is killed (rerun with SEED=%i)',
  async (seed) => {
    const random = createRandom(seed)
    const { next: after } = await eventsOf(server, `after=${last}&limit=1000`)
    last = after
    const receiver = await WebhookReceiver.start()
    const manners: readonly Manner[] = [200, 200, 200, 'slow', 500, 429, 'reset', 'redirect', 'endless', 'hang']
    let isGood = false
    receiver.manner = () => (isGood ? 200 : random.pick(manners))
    const healthy = await WebhookReceiver.start()
    const { id, secret } = await register(server, {
      url: receiver.url,
      kinds: ['message.created'],
      documents: 'chat/s*',
    })
    const { id: healthyId } = await register(server, { url: healthy.url, kinds: ['message.created'] })
    const other = await startServer({ environment: { ...environment, DATABASE_URL: databaseUrl(server.folder) } })
    onTestFinished(() => other.kill())
    const rooms = Array.from({ length: 5 }, (_, index) => `chat/s${seed} ${index}`)
    for (let count = 0; count < (isSoak ? 400 : 40); count++) {
      const on = other.pid > 0 && count < 25 && random.chance(0.5) ? other : server
      await say(on, random.pick(rooms), `${count}`)
      // It has claimed some, and is the one that makes deliveries half of the time.
      if (count === 25) await other.kill()
    }
    isGood = true
    const { events } = await eventsOf(server, `kind=message.created&after=${last}&limit=1000`)
    const wanted = events.filter(({ document }) => document !== undefined && rooms.includes(document))
    expect(wanted).toHaveLength(isSoak ? 400 : 40)
    await expect.poll(() => new Set(receiver.ids).size, patient).toBe(wanted.length)
    await expect.poll(() => deliveriesOf(server, id), patient).toEqual([])
    for (const room of rooms) {
      const inRoom = (event: ToldEvent) => event.document === room
      const taken = [...new Map(receiver.taken.map(({ event }) => [event.id, event])).values()].filter(inRoom)
      expect(taken).toEqual(wanted.filter(inRoom))
    }
    expect(receiver.taken.every((posted) => isSigned(posted, secret))).toBe(true)
    expect(receiver.taken.every(({ event, headers }) => headers['webhook-id'] === event.id)).toBe(true)
    expect(receiver.strayed).toBe(0)
    await expect.poll(() => healthy.ids, patient).toEqual(expect.arrayContaining(wanted.map((event) => event.id)))
    await expect.poll(() => deliveriesOf(server, healthyId), patient).toEqual([])
    for (const each of [id, healthyId]) await rest(server, `/api/webhooks/${each}`, { ...admin, method: 'DELETE' })
  },
  180_000,
)

test('an event that fails holds back its document alone, is dead after a time, and is sent again when asked for', async () => {
  const brief = await startServer({ environment: { ...environment, WEBHOOK_RETRY_TIME: '400' } })
  onTestFinished(() => brief.kill())
  const receiver = await WebhookReceiver.start()
  const other = await WebhookReceiver.start()
  receiver.manner = ({ document }) => (document === 'chat/bad' ? 500 : 200)
  const { id } = await register(brief, { url: receiver.url, kinds: ['message.created'] })
  await register(brief, { url: other.url, kinds: ['message.created'] })
  for (const text of ['1', '2']) for (const room of ['chat/bad', 'chat/good']) await say(brief, room, text)
  const documents = ({ taken }: WebhookReceiver) => taken.map(({ event }) => event.document)
  await expect.poll(() => documents(receiver), patient).toEqual(['chat/good', 'chat/good'])
  await expect.poll(() => documents(other).length, patient).toBe(4)
  await expect
    .poll(() => deliveriesOf(brief, id, 'state=dead'), patient)
    .toMatchObject([1, 2].map(() => ({ document: 'chat/bad', state: 'dead', problem: 'it answered 500' })))
  receiver.manner = () => 200
  const { events } = await eventsOf(brief, 'kind=message.created')
  const [first] = events.filter(({ document }) => document === 'chat/bad')
  const again = `/api/webhooks/${id}/deliveries/${first?.number}/resend`
  expect((await rest(brief, again, { ...admin, method: 'POST' })).status).toBe(202)
  await expect.poll(() => receiver.ids.at(-1), patient).toBe(first?.id)
  await expect.poll(() => deliveriesOf(brief, id), patient).toHaveLength(1)
  expect(await rest(brief, again, { ...admin, method: 'POST' })).toMatchObject({
    status: 404,
    body: { code: 'webhook/no-such-delivery' },
  })
})

test('a damaged event is one that was not delivered, and holds up nobody else', async () => {
  const first = await startServer({ environment })
  const receiver = await WebhookReceiver.start()
  const { id } = await register(first, { url: receiver.url, kinds: ['message.created'], documents: 'chat/*' })
  await first.stop()
  const database = new Database(`${first.folder}/coweave.db`)
  // Of one that had come by then, and was to be told.
  database
    .prepare('INSERT INTO events (id, kind, at, document, data, checksum) VALUES (?, ?, ?, ?, ?, ?)')
    .run('x', 'message.created', Date.now(), 'chat/a', Buffer.from('{}'), 0)
  database.close()
  const restarted = await first.restart()
  onTestFinished(async () => void (await restarted.kill()))
  await say(restarted, 'chat/a', 'hello')
  await expect.poll(() => receiver.taken.map(({ event }) => event.kind), patient).toEqual(['message.created'])
  const { events } = await eventsOf(restarted)
  expect(events.map(({ kind }) => kind)).toEqual(['event.damaged', 'message.created'])
  const problem = `bad checksum of event ${events[0]?.number}`
  expect(await deliveriesOf(restarted, id)).toMatchObject([{ id: events[0]?.number, state: 'dead', problem }])
  expect(restarted.output()).toContain(problem)
})

test('the webhook of the settings is told from then on, and ends with them', async () => {
  const receiver = await WebhookReceiver.start()
  const settings = { ...environment, WEBHOOK_URL: receiver.url, WEBHOOK_SECRET: secret }
  const first = await startServer({ environment: settings })
  await say(first, 'chat/setting', 'hello')
  await expect.poll(() => receiver.taken.length, patient).toBe(1)
  expect(receiver.taken.map((posted) => isSigned(posted, secret))).toEqual([true])
  const ended = await rest(first, '/api/webhooks/setting', { ...admin, method: 'DELETE' })
  expect(ended).toMatchObject({ status: 409, body: { code: 'webhook/setting' } })
  await first.stop()
  const without = await startServer({ environment: { ...environment, DATABASE_URL: databaseUrl(first.folder) } })
  onTestFinished(() => without.kill())
  await expect.poll(async () => (await rest(without, '/api/webhooks', admin)).body, patient).toEqual({ webhooks: [] })
})

async function metricsOf(on: TestServer): Promise<Record<string, number>> {
  const text = await (await fetch(`${on.url}/metrics`)).text()
  const figures = [...text.matchAll(/^coweave_webhook_(\w+) (\S+)$/gm)]
  return Object.fromEntries(figures.map(([, name, figure]) => [name, Number(figure)]))
}

test('metrics tell what webhooks took and did not take, what waits for them, and for how long', async () => {
  const before = await metricsOf(server)
  const receiver = await WebhookReceiver.start()
  receiver.manner = ({ document }) => (document === 'chat/good' ? 200 : 500)
  const { id } = await register(server, { url: receiver.url, kinds: ['message.created'] })
  const begun = Date.now()
  for (const room of ['chat/good', 'chat/a', 'chat/a', 'chat/b']) await say(server, room, 'hello')
  await expect.poll(async () => (await metricsOf(server)).waiting, patient).toBe(3)
  const { deliveries_total: taken, failures_total: failed, oldest_seconds: oldest } = await metricsOf(server)
  expect(taken).toBe(Number(before.deliveries_total) + 1)
  expect(failed).toBeGreaterThan(Number(before.failures_total))
  expect(oldest).toBeGreaterThan(0)
  expect(oldest).toBeLessThanOrEqual((Date.now() - begun) / 1000)
  await rest(server, `/api/webhooks/${id}`, { ...admin, method: 'DELETE' })
})

test('webhooks are for admins, tell their secret once, and lead to public addresses', async () => {
  const url = 'https://hooks.example/in'
  const { id, secret } = await register(server, { url, documents: 'notes/**' })
  expect(secret).toMatch(/^whsec_/)
  const { text, body } = await rest(server, '/api/webhooks', admin)
  expect(body.webhooks).toEqual([{ id, at: expect.any(Number), url, kinds: [], documents: 'notes/**' }])
  expect(text).not.toContain('whsec_')
  const paths = [
    ['POST', ''],
    ['GET', ''],
    ['DELETE', `/${id}`],
    ['GET', `/${id}/deliveries`],
  ] as const
  for (const [method, path] of paths)
    expect(
      (await rest(server, `/api/webhooks${path}`, { method, ...(method === 'POST' && { body: {} }) })).status,
    ).toBe(403)
  for (const wrong of ['http://hooks.example/', 'https://10.0.0.1/', 'https://[::ffff:169.254.169.254]/', 'x'])
    expect((await rest(server, '/api/webhooks', { ...admin, method: 'POST', body: { url: wrong } })).status).toBe(400)
  expect((await rest(server, `/api/webhooks/${id}`, { ...admin, method: 'DELETE' })).status).toBe(204)
  expect((await rest(server, `/api/webhooks/${id}`, { ...admin, method: 'DELETE' })).status).toBe(404)
  expect((await rest(server, `/api/webhooks/${id}/deliveries`, admin)).status).toBe(404)
})
