import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import * as Y from 'yjs'
import { openLog } from '../../persistence/open-log.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { openClient, openYWebsocket, until } from '../support/clients.ts'
import { RawClient } from '../support/raw-client.ts'
import { documentPath, rest } from '../support/rest.ts'
import { databaseUrl, startServer, type TestServer, temporaryFolder, tokenFor } from '../support/server.ts'

const moderator = { user: 'mia', access: { '**': 'moderate' } }

let server: TestServer

beforeAll(async () => {
  const folder = temporaryFolder()
  const onProblem = (error: Error) => {
    throw error
  }
  const log = await openLog({ url: databaseUrl(folder), create: true, onProblem })
  for (const name of ['cold', 'joined', 'web', 'gone', 'reset', 'stranger']) await write(log, name)
  await write(log, 'waiting-in-snapshot', { waitsBefore: true })
  await write(log, 'waiting-in-tail', { waitsBehind: true })
  await log.close()
  server = await startServer({ folder })
})
afterAll(() => server.kill())

interface Waiting {
  /** Something waits for what never comes, in the snapshot or behind it. */
  readonly waitsBefore?: boolean
  readonly waitsBehind?: boolean
}

/** A document of more than a megabyte, a snapshot and a tail. */
async function write(log: UpdateLog, name: string, { waitsBefore = false, waitsBehind = false }: Waiting = {}) {
  const ydoc = new Y.Doc()
  const updates: Uint8Array[] = []
  ydoc.on('update', (update: Uint8Array) => updates.push(update))
  const text = ydoc.getText('text')
  const append = async () => {
    const batch = updates.splice(0)
    await log.append(batch.map((data) => ({ document: name, at: 1, author: 'ann', data, clients: [] })))
  }
  text.insert(0, 'long '.repeat(250_000))
  for (let edit = 0; edit < 200; edit += 1) {
    ydoc.clientID = 1 + (edit % 3)
    text.insert((edit * 4_001) % text.length, `edit ${edit} `)
    if (edit % 10 === 0) text.delete((edit * 3_001) % text.length, 3)
  }
  if (waitsBefore) updates.push(withoutItsBeginning())
  await append()
  await log.compact(name)
  text.insert(0, 'the tail: ')
  if (waitsBehind) updates.push(withoutItsBeginning())
  await append()
}

/** An update that builds on one that nobody has. */
function withoutItsBeginning(): Uint8Array {
  const ydoc = new Y.Doc()
  ydoc.getText('text').insert(0, 'never seen')
  const vector = Y.encodeStateVector(ydoc)
  ydoc.getText('text').insert(10, ' this neither')
  return Y.encodeStateAsUpdate(ydoc, vector)
}

async function open(name: string, user = 'ann'): Promise<RawClient> {
  const client = await RawClient.open(server, name, { user })
  onTestFinished(() => client.close())
  return client
}

const textOf = ({ ydoc }: RawClient) => ydoc.getText('text').toString()
const waits = ({ ydoc: { store } }: RawClient) => store.pendingStructs !== null || store.pendingDs !== null

describe('a large document', () => {
  test('[promise 2] is all there for the first who opens it, and for the next ones with what came since', async () => {
    const ann = await open('cold')
    expect(textOf(ann)).toMatch(/^the tail: /)
    expect(textOf(ann)).toContain('edit 199 ')
    ann.ydoc.getText('text').insert(0, 'new! ')
    await ann.saved()
    const bob = await open('cold', 'bob')
    expect(textOf(bob)).toBe(textOf(ann))
    bob.ydoc.getText('text').insert(0, 'and newer! ')
    await expect.poll(() => textOf(ann), { timeout: 30_000 }).toBe(textOf(bob))
    const carl = await open('cold', 'carl')
    expect(textOf(carl)).toMatch(/^and newer! new! the tail: /)
  })

  test('[promise 2] is all there for many who come at once, while it is loaded and edited', async () => {
    const clients = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        const client = await open('joined', `user-${index}`)
        expect(textOf(client)).toContain('edit 199 ')
        client.ydoc.getText('text').insert(0, `${index} `)
        await client.saved()
        return client
      }),
    )
    const [first = expect.unreachable()] = clients
    const written = (client: RawClient) => textOf(client).slice(0, textOf(client).indexOf('the tail')).length
    for (const client of clients) {
      await expect.poll(() => written(client), { timeout: 30_000 }).toBe(26)
      expect(textOf(client)).toBe(textOf(first))
      expect(waits(client)).toBe(false)
    }
    for (let index = 0; index < 12; index += 1) expect(textOf(first).slice(0, 26)).toContain(`${index} `)
  })

  test('comes to a stock client and to one of y-websocket', async () => {
    const web = openYWebsocket(server, 'web', 'bob')
    const stock = openClient(server, 'web')
    onTestFinished(() => {
      web.destroy()
      stock.destroy()
    })
    await until(
      () => web.synced,
      (check) => web.on('sync', check),
    )
    await stock.synced()
    expect(web.doc.getText('text').toString()).toMatch(/^the tail: /)
    expect(stock.text.toString()).toBe(web.doc.getText('text').toString())
  })

  test.each(['waiting-in-snapshot', 'waiting-in-tail'])('shows nothing that waits for others: %s', async (name) => {
    for (const user of ['ann', 'bob']) {
      const client = await open(name, user)
      expect(textOf(client)).toMatch(/^the tail: /)
      expect(waits(client)).toBe(false)
    }
  })

  test('is not shown once it is deleted, nor what it was before it was reset', async () => {
    await open('gone')
    await rest(server, documentPath('gone'), { ...moderator, method: 'DELETE' })
    await expect(open('gone', 'bob')).rejects.toThrow('document/deleted')

    await open('reset')
    const body = { position: 1 }
    expect(await rest(server, documentPath('reset', '/reset'), { ...moderator, method: 'POST', body })).toMatchObject({
      status: 200,
    })
    const fresh = await open('reset', 'bob')
    expect(textOf(fresh)).toBe('long '.repeat(250_000))
  })

  test('[promise 3] is sent to nobody whose token is not good for it', async () => {
    for (const token of ['no token', tokenFor('eve', { access: { other: 'write' } })]) {
      const ws = new WebSocket(server.socketUrl)
      await once(ws, 'open')
      let bytes = 0
      ws.on('message', (data: Buffer) => {
        bytes += data.length
      })
      const name = Buffer.from('stranger')
      const secret = Buffer.from(token)
      const length = [(secret.length & 0x7f) | 0x80, secret.length >> 7]
      const short = secret.length < 0x80 ? [secret.length] : length
      ws.send(Buffer.concat([Buffer.of(name.length), name, Buffer.of(2, 0, ...short), secret]))
      ws.send(Buffer.concat([Buffer.of(name.length), name, Buffer.of(0, 0, 1, 0)]))
      // Somebody else opens it meanwhile.
      await open('stranger', `friend-${secret.length}`)
      expect(bytes).toBeLessThan(1_000)
      ws.close()
    }
  })
})
