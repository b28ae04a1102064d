import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { UploadError, type UploadOptions, uploadUpdate } from '../../client/upload.ts'
import { freePort } from '../../scripts/support/free-port.ts'
import { preloading } from '../fault/preload/preload.ts'
import { openClient } from '../support/clients.ts'
import { updateOf } from '../support/messages.ts'
import { replayFromLog } from '../support/replay.ts'
import { startServer, type TestServer, type TokenOptions, tokenFor } from '../support/server.ts'

const KiB = 1024
const MiB = 1024 * KiB

let server: TestServer
let name = ''
let documents = 0

beforeAll(async () => {
  server = await startServer({ environment: { MAX_MESSAGE_BYTES: String(MiB), MAX_UPLOAD_BYTES: String(64 * MiB) } })
})

afterAll(async () => expect(await server.stop()).toBe(0))

beforeEach(() => {
  documents += 1
  name = `uploads/${documents}/ä b`
})

const textOf = (client: number, length: number) =>
  updateOf(client, (ydoc) => ydoc.getText('text').insert(0, 'x'.repeat(length)))

function upload(update: Uint8Array, options: Partial<UploadOptions> = {}, on = server): Promise<void> {
  return uploadUpdate({ url: on.url, name, update, token: tokenFor('ann'), ...options })
}

interface PartQuery {
  readonly upload: string
  readonly part: number
  readonly of: number
}

/** One request, as it is. */
async function post(
  body: Uint8Array,
  query: PartQuery | string = '',
  { user = 'ann', on = server, ...token }: TokenOptions & { user?: string; on?: TestServer } = {},
) {
  const search =
    typeof query === 'string'
      ? query
      : `?${new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)]))}`
  const response = await fetch(`${on.url}/api/documents/${encodeURIComponent(name)}/sync${search}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tokenFor(user, token)}`, 'content-type': 'application/octet-stream' },
    body: new Uint8Array(body),
  })
  const answer: { status: number; body: { code?: string; missing?: number[] } } = {
    status: response.status,
    body: await response.json(),
  }
  return answer
}

async function problemOf(promise: Promise<void>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof UploadError)) throw new Error(`no refusal, but ${error}`)
  return `${error.status} ${error.code}`
}

/** The paths of the files of waiting parts. */
function filesOf(folder: string): string[] {
  try {
    const entries = readdirSync(join(folder, 'coweave.db.uploads'), { recursive: true, withFileTypes: true })
    return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
  } catch {
    return []
  }
}

async function storedText(on = server): Promise<string> {
  const client = openClient(on, name, { user: 'reader' })
  await client.synced()
  client.destroy()
  return client.text.toString()
}

describe('an update over HTTP', () => {
  test('in one piece or in many is stored once, however often it comes, and others see it', async () => {
    const watcher = openClient(server, name, { user: 'bob' })
    await watcher.synced()
    await upload(textOf(1, 10))
    await expect.poll(() => watcher.text.length).toBe(10)
    const large = textOf(2, 40 * MiB)
    await upload(large)
    await expect.poll(() => watcher.text.length).toBe(40 * MiB + 10)
    await upload(large)
    await upload(textOf(1, 10))
    watcher.destroy()
    expect((await storedText()).length).toBe(40 * MiB + 10)
    expect(filesOf(server.folder)).toEqual([])
  })

  test('[promise 1] is not answered, and seen by nobody, before it is on disk', async () => {
    const never = { SLOW_COMMIT_MS: '600000', COMMIT_TIMEOUT: '600000' }
    const slow = await startServer({ environment: preloading(['slow-commits'], never) })
    // Closing a document that nobody else has open would wait for the commit as well.
    const other = openClient(slow, name, { user: 'bob' })
    await other.synced()
    const abort = new AbortController()
    let answered = false
    const done = upload(textOf(1, 3 * MiB), { signal: abort.signal }, slow).then(
      () => {
        answered = true
      },
      () => {},
    )
    await expect.poll(() => slow.output()).toContain('a slow commit begins')
    // Time for an answer that waits for nothing.
    await new Promise((resolve) => setTimeout(resolve, 300))
    abort.abort()
    await done
    expect({ answered, seen: other.text.length }).toEqual({ answered: false, seen: 0 })
    other.destroy()
    await slow.kill()
  })

  test('[promise 1] is on disk once it is answered', async () => {
    const killed = await startServer()
    await Promise.all([upload(textOf(1, 3 * MiB), {}, killed), upload(textOf(2, 10), {}, killed)])
    await killed.kill()
    expect((await replayFromLog(killed.folder, [name]))[name]?.getText('text').length).toBe(3 * MiB + 10)
  })

  test('that storage does not take in time is answered with 503', async () => {
    const never = { SLOW_COMMIT_MS: '600000', COMMIT_TIMEOUT: '500' }
    const slow = await startServer({ environment: preloading(['slow-commits'], never) })
    const update = textOf(1, 10)
    const part = { upload: randomUUID(), part: 1, of: 1 }
    for (const query of ['', part]) {
      const answer = await post(update, query, { on: slow })
      expect(answer).toMatchObject({ status: 503, body: { code: 'storage/unavailable' } })
    }
    // It may come again.
    expect(filesOf(slow.folder)).toHaveLength(1)
    await slow.kill()
  })

  test('goes on after the server was killed between parts', async () => {
    // As deployed: what another process on the same database keeps is told by its port.
    let killed = await startServer({ environment: { PORT: String(await freePort()) } })
    const update = textOf(1, 2 * MiB)
    const parts: number[] = []
    await upload(update, {
      url: killed.url,
      partBytes: 256 * KiB,
      token: async () => {
        parts.push(parts.length)
        if (parts.length === 5) {
          expect(filesOf(killed.folder)).toHaveLength(4)
          await killed.kill()
          killed = await killed.restart()
          expect(filesOf(killed.folder)).toEqual([])
        }
        return tokenFor('ann')
      },
    })
    // Four were lost.
    expect(parts.length).toBe(8 + 1 + 4)
    expect((await storedText(killed)).length).toBe(2 * MiB)
    await killed.stop()
  })

  test('whose answers get lost is sent again, and stored once', async () => {
    let requests = 0
    const proxy = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', async () => {
        requests += 1
        const isLost = requests % 3 === 0
        const answer = await fetch(`${server.url}${request.url}`, {
          method: 'POST',
          headers: { authorization: request.headers.authorization ?? '', 'content-type': 'application/octet-stream' },
          body: Buffer.concat(chunks),
        })
        const body = await answer.text()
        if (isLost) response.destroy()
        else response.writeHead(answer.status, { 'content-type': 'application/json' }).end(body)
      })
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const address = proxy.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    await upload(textOf(1, 600 * KiB), { url: `http://127.0.0.1:${address.port}`, partBytes: 100 * KiB })
    // The seventh holds the rest, and the last answer but one was lost.
    expect(requests).toBeGreaterThan(7)
    expect((await storedText()).length).toBe(600 * KiB)
    expect(filesOf(server.folder)).toEqual([])
    proxy.close()
  })

  test('can be given up', async () => {
    const abort = new AbortController()
    const done = upload(textOf(1, MiB), {
      partBytes: 100 * KiB,
      signal: abort.signal,
      token: async () => {
        abort.abort(new Error('enough'))
        return tokenFor('ann')
      },
    })
    await expect(done).rejects.toThrow('enough')
    expect(await storedText()).toBe('')
  })
})

describe('parts', () => {
  const query = (part: number, of = 3, id = randomUUID()): PartQuery => ({ upload: id, part, of })

  test('come in any order and more than once; the answer names what is missing', async () => {
    const update = textOf(1, 100)
    const id = randomUUID()
    const bytes = (part: number) => update.subarray((part - 1) * 50, part === 3 ? undefined : part * 50)
    expect(await post(bytes(3), query(3, 3, id))).toEqual({ status: 202, body: { missing: [1, 2] } })
    expect(await post(bytes(1), query(1, 3, id))).toEqual({ status: 202, body: { missing: [2] } })
    expect(await post(bytes(1), query(1, 3, id))).toEqual({ status: 202, body: { missing: [2] } })
    expect(await post(bytes(2), query(2, 3, id))).toEqual({ status: 200, body: {} })
    expect(await post(bytes(2), query(2, 3, id))).toEqual({ status: 200, body: {} })
    expect((await storedText()).length).toBe(100)
  })

  test('wait in files that nobody can read', async () => {
    const secret = Buffer.from('a secret that must not be on the disk')
    const { status } = await post(secret, query(1))
    expect(status).toBe(202)
    const files = filesOf(server.folder)
    expect(files.length).toBeGreaterThan(0)
    for (const file of files) {
      expect(readFileSync(file).includes('secret')).toBe(false)
    }
  })

  test('belong to their user, their document and each other', async () => {
    const id = randomUUID()
    const update = textOf(1, 10)
    await post(update.subarray(0, 5), query(1, 2, id))
    // Somebody else's with the same name is another one.
    expect((await post(update.subarray(5), query(2, 2, id), { user: 'mallory' })).body).toEqual({ missing: [1] })
    const first = name
    name = `${name}/other`
    expect((await post(update.subarray(5), query(2, 2, id))).body.code).toBe('upload/mismatch')
    name = first
    expect((await post(update.subarray(5), query(2, 4, id))).body.code).toBe('upload/mismatch')
    expect((await post(update.subarray(5), query(2, 2, id))).status).toBe(200)
    expect((await storedText()).length).toBe(10)
  })

  test('are bounded: one by MAX_MESSAGE_BYTES, those that wait of a user by MAX_UPLOAD_BYTES', async () => {
    const small = await startServer({
      environment: { MAX_MESSAGE_BYTES: String(100 * KiB), MAX_UPLOAD_BYTES: String(250 * KiB) },
    })
    const on = { on: small }
    expect((await post(new Uint8Array(101 * KiB), query(1), on)).body.code).toBe('http/body-too-big')
    expect((await post(new Uint8Array(101 * KiB), '', on)).body.code).toBe('http/body-too-big')
    const [one, two] = [randomUUID(), randomUUID()]
    expect((await post(new Uint8Array(100 * KiB), query(1, 9, one), on)).status).toBe(202)
    expect((await post(new Uint8Array(100 * KiB), query(1, 9, two), on)).status).toBe(202)
    expect(await post(new Uint8Array(60 * KiB), query(2, 9, two), on)).toMatchObject({
      status: 413,
      body: { code: 'upload/too-big' },
    })
    // What was refused takes no room, and others have their own.
    expect((await post(new Uint8Array(40 * KiB), query(2, 9, two), on)).status).toBe(202)
    expect((await post(new Uint8Array(100 * KiB), query(1, 9), { ...on, user: 'bob' })).status).toBe(202)
    expect(filesOf(small.folder)).toHaveLength(4)
    expect(await small.stop()).toBe(0)
    expect(filesOf(small.folder)).toEqual([])
  })

  test('a part that breaks off leaves nothing', async () => {
    const before = filesOf(server.folder).length
    const socket = connect(server.port, '127.0.0.1')
    const path = `/api/documents/${encodeURIComponent(name)}/sync?upload=${randomUUID()}&part=1&of=2`
    const headers = [
      `POST ${path} HTTP/1.1`,
      'Host: 127.0.0.1',
      `Authorization: Bearer ${tokenFor('ann')}`,
      'Content-Type: application/octet-stream',
      'Content-Length: 100000',
    ]
    socket.write(`${headers.join('\r\n')}\r\n\r\n${'x'.repeat(50_000)}`)
    await expect.poll(() => filesOf(server.folder).length).toBe(before + 1)
    socket.destroy()
    await expect.poll(() => filesOf(server.folder).length).toBe(before)
  })

  test.each([
    ['a part beyond the last', { upload: randomUUID(), part: 3, of: 2 }],
    ['no part', { upload: randomUUID(), part: 0, of: 2 }],
    ['too many parts', { upload: randomUUID(), part: 1, of: 5000 }],
    ['an id of its own kind', { upload: '../../etc', part: 1, of: 2 }],
  ])('%s is refused', async (_title, wrong) => {
    expect(await post(new Uint8Array(1), wrong)).toMatchObject({ status: 400, body: { code: 'http/bad-request' } })
  })
})

describe('what a socket would be refused is refused', () => {
  test('without a good token, or a grant to write', async () => {
    const update = textOf(1, 1)
    expect(await problemOf(upload(update, { token: '' }))).toBe('401 access/token-missing')
    expect(await problemOf(upload(update, { token: tokenFor('ann', { expiresInS: -60 }) }))).toBe(
      '401 access/token-expired',
    )
    expect(await problemOf(upload(update, { token: tokenFor('ann', { access: { '**': 'read' } }) }))).toBe(
      '403 access/no-grant',
    )
    expect(await problemOf(upload(update, { name: '../x' }))).toBe('400 document/bad-name')
    expect(await storedText()).toBe('')
  })

  test.each([true, false])(
    'malformed, with forged client ids, against the rules of a room (in parts: %s)',
    async (inParts) => {
      const owner = openClient(server, name, { user: 'bob' })
      owner.text.insert(0, 'by bob')
      await owner.saved()
      const options = inParts ? { partBytes: 5 } : {}
      const forged = textOf(owner.ydoc.clientID, 50)
      expect(await problemOf(upload(forged, options))).toBe('409 document/client-id-taken')
      expect(await problemOf(upload(Uint8Array.of(1, 2, 3, 4, 5, 6, 7), options))).toBe('400 document/malformed-update')
      const intruder = updateOf(5, (ydoc) => {
        const message = new Y.Map([['author', 'bob']])
        ydoc.getArray('messages').push([message])
      })
      expect(await problemOf(upload(intruder, { ...options, name: `chat/${name}` }))).toMatch(/^422 chat\//)
      expect(await storedText()).toBe('by bob')
      owner.destroy()
    },
  )

  test('of an older schema', async () => {
    const strict = await startServer({ environment: { MIN_SCHEMA: '2' } })
    expect(await problemOf(upload(textOf(1, 1), { schema: 1 }, strict))).toBe('403 document/schema-too-old')
    expect(await problemOf(upload(textOf(1, 1), {}, strict))).toBe('403 document/schema-too-old')
    await upload(textOf(1, 1), { schema: 2 }, strict)
    await strict.stop()
  })
})

describe('reading over HTTP', () => {
  async function missing(stateVector: string | undefined, options: TokenOptions = {}): Promise<Response> {
    const query = stateVector === undefined ? '' : `?stateVector=${stateVector}`
    return fetch(`${server.url}/api/documents/${encodeURIComponent(name)}/sync${query}`, {
      headers: { authorization: `Bearer ${tokenFor('ann', options)}` },
    })
  }

  test('gives what a replica lacks, to whoever may read', async () => {
    await upload(textOf(1, 10))
    const replica = new Y.Doc()
    const all = await missing(undefined, { access: { '**': 'read' } })
    expect(all.headers.get('content-type')).toBe('application/octet-stream')
    Y.applyUpdate(replica, new Uint8Array(await all.arrayBuffer()))
    expect(replica.getText('text').length).toBe(10)
    await upload(textOf(2, 5))
    const stateVector = Buffer.from(Y.encodeStateVector(replica)).toString('base64url')
    const rest = new Uint8Array(await (await missing(stateVector)).arrayBuffer())
    expect(Y.decodeUpdate(rest).structs).toHaveLength(1)
    Y.applyUpdate(replica, rest)
    expect(replica.getText('text').length).toBe(15)
  })

  test('is refused without a grant, and for what is no state vector', async () => {
    expect((await missing(undefined, { access: { other: 'write' } })).status).toBe(403)
    for (const [wrong, code] of [
      ['!!', 'http/bad-request'],
      ['_____w', 'document/malformed-state-vector'],
    ] as const) {
      const response = await missing(wrong)
      expect({ status: response.status, ...(await response.json()) }).toMatchObject({ status: 400, code })
    }
  })
})
