import { createDecipheriv, createECDH, createPublicKey, hkdfSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import jwt from 'jsonwebtoken'
import { vi } from 'vitest'
import { tokenFor } from './server.ts'

/** What a browser was pushed, decrypted. */
export interface Received {
  readonly headers: IncomingHttpHeaders
  readonly at: number
  readonly payload: Readonly<Record<string, unknown>>
}

/** What a push service answers; undefined for not at all. */
export type PushAnswer = { readonly status: number; readonly headers?: Readonly<Record<string, string>> } | undefined

/** A push service on loopback, as those of browsers are: it answers 201, unless a browser's answers are given. */
export class TestPushService {
  readonly origin: string
  /** Most requests at the same time. */
  mostAtOnce = 0
  readonly #server: ReturnType<typeof createServer>
  readonly #browsers = new Map<string, TestBrowser>()
  #now = 0

  static async start(): Promise<TestPushService> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new TestPushService(server)
  }

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    server.on('request', async (request, response) => {
      this.#now += 1
      this.mostAtOnce = Math.max(this.mostAtOnce, this.#now)
      response.on('close', () => {
        this.#now -= 1
      })
      const body = await buffer(request).catch(() => undefined) // cut off
      const browser = this.#browsers.get(request.url ?? '')
      if (body === undefined) return
      if (browser === undefined) response.writeHead(404).end()
      else browser.take(request.headers, body, response)
    })
  }

  /** A browser that has subscribed here, and not told any server yet. */
  browser(): TestBrowser {
    const path = `/push/${randomBytes(16).toString('base64url')}`
    const browser = new TestBrowser(this.origin + path)
    this.#browsers.set(path, browser)
    return browser
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

export class TestBrowser {
  readonly endpoint: string
  readonly received: Received[] = []
  /** What comes next is answered with these, in order. */
  readonly answers: PushAnswer[] = []
  readonly #keys = createECDH('prime256v1')
  readonly #auth = randomBytes(16)
  readonly #held: ServerResponse[] = []

  constructor(endpoint: string) {
    this.endpoint = endpoint
    this.#keys.generateKeys()
  }

  get titles(): unknown[] {
    return this.received.map(({ payload }) => payload.title)
  }

  /** As `PushSubscription.toJSON()` gives it. */
  toJSON() {
    const keys = { p256dh: this.#keys.getPublicKey('base64url'), auth: this.#auth.toString('base64url') }
    return { endpoint: this.endpoint, expirationTime: null, keys }
  }

  async whenTitles(...titles: readonly string[]): Promise<void> {
    await vi.waitUntil(() => JSON.stringify(this.titles) === JSON.stringify(titles), { timeout: 30_000 })
  }

  take(headers: IncomingHttpHeaders, body: Buffer, response: ServerResponse): void {
    this.received.push({ headers, at: Date.now(), payload: JSON.parse(this.#decrypt(body)) })
    const answer = this.answers.length > 0 ? this.answers.shift() : { status: 201 }
    if (answer === undefined) this.#held.push(response)
    else response.writeHead(answer.status, answer.headers).end()
  }

  /** Answers 201 to what was not answered. */
  release(): void {
    for (const response of this.#held.splice(0)) response.writeHead(201).end()
  }

  /** As RFC 8291 and RFC 8188 say; one record. */
  #decrypt(body: Buffer): string {
    const salt = body.subarray(0, 16)
    const sender = body.subarray(21, 21 + body.readUInt8(20))
    const sealed = body.subarray(21 + sender.length)
    const derive = (secret: Uint8Array, by: Uint8Array, info: Uint8Array | string, length: number) =>
      Buffer.from(hkdfSync('sha256', secret, by, info, length))
    const info = Buffer.concat([Buffer.from('WebPush: info\0'), this.#keys.getPublicKey(), sender])
    const secret = derive(this.#keys.computeSecret(sender), this.#auth, info, 32)
    const key = derive(secret, salt, 'Content-Encoding: aes128gcm\0', 16)
    const nonce = derive(secret, salt, 'Content-Encoding: nonce\0', 12)
    const decipher = createDecipheriv('aes-128-gcm', key, nonce)
    decipher.setAuthTag(sealed.subarray(-16))
    const padded = Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()])
    return padded.subarray(0, padded.lastIndexOf(2)).toString()
  }
}

/** Who sent a push, as its push service verifies it (RFC 8292). Throws if it isn't true. */
export function senderOf({ headers }: Received, audience: string): { claims: jwt.JwtPayload; publicKey: string } {
  const [, token = '', publicKey = ''] = /^vapid t=([^,]+), k=([\w-]+)$/.exec(headers.authorization ?? '') ?? []
  const point = Buffer.from(publicKey, 'base64url')
  const [x, y] = [point.toString('base64url', 1, 33), point.toString('base64url', 33)]
  const key = createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' })
  const claims = jwt.verify(token, key, { algorithms: ['ES256'], audience })
  if (typeof claims === 'string') throw new Error('the token has no claims')
  return { claims, publicKey }
}

interface Answered {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

/** Asks the API of pushes as `user`. */
export async function askPush(
  { url }: { readonly url: string },
  user: string,
  { method = 'GET', path = '/api/push/subscriptions', body }: { method?: string; path?: string; body?: unknown },
): Promise<Answered> {
  const response = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${tokenFor(user)}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? {} : JSON.parse(text) }
}

/** Subscribes a browser as the client library does. */
export async function subscribe(server: { readonly url: string }, user: string, browser: TestBrowser): Promise<void> {
  const { status, body } = await askPush(server, user, { method: 'PUT', body: browser })
  if (status !== 204) throw new Error(`subscribing was answered with ${status}: ${JSON.stringify(body)}`)
}
