import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { createRandom, isSoak, seedsFor } from '../support/random.ts'
import { documentPath, rest } from '../support/rest.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'
import { operationShape, randomRequest } from './random-request.ts'

const REQUESTS_OF_EACH = isSoak ? 400 : 40

/** What nobody who asks here may change: they may not write it, or it isn't theirs. */
const FOREIGN = ['foreign/read', 'foreign/secret', 'chat/foreign/secret']
const OWN = [
  'own/rich',
  'own/types',
  'own/new 1',
  'own/new 2',
  'own/new 3',
  'chat/own/rich',
  'inbox/mallory',
  'lobby/team',
  'dm/ann,mallory',
]

let server: TestServer

beforeAll(async () => {
  server = await startServer()
  for (const name of ['foreign/read', 'foreign/secret', 'own/rich']) {
    expect((await rest(server, documentPath(name), { method: 'PUT', body: '# Title\n\ntext' })).status).toBe(201)
  }
  const types = { roots: { a: { map: { b: { text: { parts: [{ insert: 'x' }] } } } } } }
  await rest(server, documentPath('own/types', '?format=yjs-json'), { method: 'PUT', body: types })
  const message = { method: 'POST', body: { text: 'secret' } }
  expect((await rest(server, '/api/rooms/chat%2Fforeign%2Fsecret/messages', message)).status).toBe(201)
})
afterAll(async () => {
  expect(await server.stop()).toBe(0)
})

function isForeign(path: string): boolean {
  return FOREIGN.some((name) => path.includes(encodeURIComponent(name)))
}

/** What who may read a document, or comment in it, does with it and leaves it as it is. */
const LEAVING_ALONE = ['/copy', '/seen', '/presence', '/comments']

/** Whether a route that writes changes the document it names. */
function changes(path: string): boolean {
  return path.includes('{name}') && !LEAVING_ALONE.some((end) => path.endsWith(end))
}

/** What the log says of what must stay. */
async function foreignState(): Promise<unknown> {
  const { body } = await rest(server, '/api/documents?prefix=foreign')
  const { body: chats } = await rest(server, '/api/documents?prefix=chat/foreign/secret')
  const contents = await Promise.all(['foreign/read', 'foreign/secret'].map((name) => rest(server, documentPath(name))))
  return { documents: body.documents, chats: chats.documents, contents: contents.map(({ body }) => body) }
}

const openApi = z.object({ paths: z.record(z.string(), z.record(z.string(), operationShape)) })

test.each(seedsFor([4711], 1))(
  '[promise 3] whatever comes, no route fails and nobody changes what they may not (rerun with SEED=%i)',
  async (seed) => {
    const random = createRandom(seed)
    const before = await foreignState()
    const { paths } = openApi.parse(await (await fetch(`${server.url}/api/openapi.json`)).json())
    const access = { 'own/**': 'write', 'lobby/team': 'comment', 'foreign/read': 'read' }
    const tokens = [
      tokenFor('mallory', { access }),
      tokenFor('mallory', { access: { 'foreign/read': 'comment' } }),
      'none',
    ]
    const operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
    )
    const statuses = new Map<number, number>()
    for (const { path, method, operation } of operations) {
      for (let count = 0; count < REQUESTS_OF_EACH; count += 1) {
        const request = randomRequest(random, method, path, operation, [...OWN, ...FOREIGN, ...FOREIGN])
        const response = await fetch(server.url + request.path, {
          method,
          headers: {
            authorization: `Bearer ${random.pick([...tokens, tokens[0], tokens[0], tokens[0]])}`,
            ...request.headers,
          },
          ...(request.body && { body: new Uint8Array(request.body) }),
        })
        const isEndless = response.headers.get('content-type')?.startsWith('text/event-stream')
        const text = isEndless ? await response.body?.cancel() : await response.text()
        statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1)
        const shown = `${method} ${request.path} ${JSON.stringify(request.headers)}\n${request.body?.toString().slice(0, 2_000)}\n→ ${text}`
        expect(response.status, shown).toBeLessThan(500)
        if (response.ok && method !== 'GET') expect(changes(path) && isForeign(request.path), shown).toBe(false)
      }
    }
    expect(await foreignState()).toEqual(before)
    expect(server.output()).not.toContain('"level":50')
    const count = [...statuses.values()].reduce((sum, each) => sum + each, 0)
    console.log(`SEED=${seed}: ${count} requests, by status ${JSON.stringify([...statuses])}`)
    // The run did something: it read, wrote and was refused.
    for (const status of [200, 400, 401, 403]) expect(statuses.get(status), `${[...statuses]}`).toBeGreaterThan(5)
    for (const status of [201, 422]) expect(statuses.get(status), `${[...statuses]}`).toBeGreaterThan(0)
  },
)
