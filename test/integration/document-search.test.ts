import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type Client, openClient } from '../support/clients.ts'
import { documentPath, type RestOptions, rest } from '../support/rest.ts'
import { startServer, type TestServer } from '../support/server.ts'

const environment = { DOCUMENT_SEARCH: 'on' }
/** How long something committed may take to be found where everything is slow, ms. It is a second otherwise. */
const PATIENCE = { timeout: 30_000, interval: 50 }

let server: TestServer
/** Another instance on the same database. */
let other: TestServer

beforeAll(async () => {
  server = await startServer({ environment })
  other = await startServer({ environment, folder: server.folder })
})
afterAll(async () => {
  await Promise.all([server, other].map((each) => each.kill()))
})

interface Hit {
  readonly name: string
  readonly excerpt: readonly { readonly text: string; readonly marked?: true }[]
}

async function search(query: string, options: RestOptions & { readonly on?: TestServer } = {}) {
  const { status, body } = await rest(options.on ?? server, `/api/search/documents?q=${query}`, options)
  expect([query, status]).toEqual([query, 200])
  return body as { readonly documents: readonly Hit[]; readonly next?: string }
}

const names = async (query: string, options?: Parameters<typeof search>[1]) =>
  (await search(query, options)).documents.map(({ name }) => name)

async function open(name: string, on = server): Promise<Client> {
  const client = openClient(on, name)
  onTestFinished(() => client.destroy())
  await client.synced()
  return client
}

const put = (name: string, body: string) => rest(server, documentPath(name), { method: 'PUT', body })

test('what somebody types is found, on every instance, and what is deleted is not any more', async () => {
  const [ann, bob] = [await open('search/typed'), await open('search/typed', other)]
  ann.text.insert(0, 'Wir kaufen Äpfel und zwölf Xylophone')
  for (const on of [server, other])
    await expect.poll(() => names('zwolf xylo', { on }), PATIENCE).toEqual(['search/typed'])
  const [hit] = (await search('zwolf xylo')).documents
  expect(hit?.excerpt).toEqual([
    { text: 'Wir kaufen Äpfel und ' },
    { text: 'zwölf', marked: true },
    { text: ' ' },
    { text: 'Xylophone', marked: true },
  ])
  // Or their words are put together in either order.
  await expect.poll(() => bob.text.toString(), PATIENCE).toContain('Xylophone')
  bob.text.insert(0, 'Zimbeln! ')
  await expect.poll(() => names('zimbeln'), PATIENCE).toEqual(['search/typed'])
  ann.text.delete(0, ann.text.length)
  ann.text.insert(0, 'Birnen')
  await expect.poll(() => names('birnen', { on: other }), PATIENCE).toEqual(['search/typed'])
  expect([await names('xylophone'), await names('xylo', { on: other })]).toEqual([[], []])
})

test('[promise 3] only what the token may read is found, the best first, page by page', async () => {
  await put('search/team/plan', '# Ukulele\n\nA **ukulele** for everybody: ukulele, ukulele')
  await put('search/team/notes', `ukulele ${'and much else that has to be written down somewhere '.repeat(20)}`)
  await put('search/secret', 'A ukulele that nobody knows of')
  await expect
    .poll(async () => (await names('ukulele')).toSorted(), PATIENCE)
    .toEqual(['search/secret', 'search/team/notes', 'search/team/plan'])
  const all = await names('ukulele')
  expect(all.indexOf('search/team/plan')).toBeLessThan(all.indexOf('search/team/notes'))
  expect(await names('ukulele', { access: { 'search/team/*': 'read' } })).toEqual([
    'search/team/plan',
    'search/team/notes',
  ])
  expect(await names('ukulele', { access: { '*/*/notes': 'read' } })).toEqual(['search/team/notes'])
  expect(await names('ukulele', { access: { 'other/**': 'moderate' } })).toEqual([])
  expect(await names('ukulele', { access: {}, admin: true })).toEqual(all)
  expect(await names('ukulele&prefix=search/s')).toEqual(['search/secret'])
  const first = await search('ukulele&limit=2')
  const second = await search(`ukulele&limit=2&before=${first.next}`)
  expect([...first.documents, ...second.documents].map(({ name }) => name)).toEqual(all)
  expect(second.next).toBeUndefined()
  expect(await rest(server, '/api/search/documents?q=x&before=y')).toMatchObject({ status: 400 })
})

test('a deleted document is not found until it is restored, and nothing of an erased one', async () => {
  const moderate: RestOptions = { access: { '**': 'moderate' }, admin: true }
  const call = (method: string, path: string) =>
    rest(server, documentPath('search/gone', path), { method, ...moderate })
  await put('search/gone', 'theremin')
  await expect.poll(() => names('theremin'), PATIENCE).toEqual(['search/gone'])
  expect((await call('DELETE', '')).status).toBe(200)
  expect(await names('theremin', { access: {}, admin: true })).toEqual([])
  expect((await call('POST', '/undelete')).status).toBe(200)
  expect(await names('theremin')).toEqual(['search/gone'])
  expect((await call('DELETE', '?erase=true')).status).toBe(200)
  expect(await names('theremin', { access: {}, admin: true })).toEqual([])
})

test('[promise 1] what was committed and not yet indexed is found after a crash', async () => {
  const ann = await open('search/crash')
  ann.text.insert(0, 'Fagott ')
  await ann.saved()
  await Promise.all([server, other].map((each) => each.kill()))
  server = await server.restart()
  await expect.poll(() => names('fagott'), PATIENCE).toEqual(['search/crash'])
})
