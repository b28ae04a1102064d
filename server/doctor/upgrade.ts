import type { IncomingMessage } from 'node:http'
import { json } from 'node:stream/consumers'
import { WebSocket } from 'ws'
import type { UpgradeRefusal } from '../../client/finding.ts'
import type { ProbedSocket } from '../../client/probe-socket.ts'

/** Opens WebSockets as a page of `origin` would, and tells how they were refused, which browsers don't. */
export class UpgradeProbe {
  readonly #origin: string | undefined
  readonly #timeoutMs: number

  constructor(origin: string | undefined, timeoutMs: number) {
    this.#origin = origin
    this.#timeoutMs = timeoutMs
  }

  readonly open = (url: string): ProbedSocket => this.#socket(url)

  /** The HTTP answer to a request for a socket; undefined when there was none. */
  readonly refusal = (url: string): Promise<UpgradeRefusal | undefined> => {
    return new Promise((resolve) => {
      const socket = this.#socket(url)
      socket.on('unexpected-response', (request, response) => {
        void codeIn(response).then((code) => {
          resolve({ status: response.statusCode ?? 0, code })
          request.destroy()
        })
      })
      socket.on('error', () => {}) // its close follows
      socket.on('close', () => resolve(undefined))
      socket.on('open', () => socket.terminate())
    })
  }

  #socket(url: string): WebSocket {
    const origin = this.#origin === undefined ? {} : { origin: this.#origin }
    return new WebSocket(url, { ...origin, handshakeTimeout: this.#timeoutMs })
  }
}

/** The code of our problem details; undefined for anybody else's answer. */
async function codeIn(response: IncomingMessage): Promise<string | undefined> {
  if (!response.headers['content-type']?.startsWith('application/problem+json')) return undefined
  const body: unknown = await json(response).catch(() => undefined)
  const code: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, 'code') : undefined
  return typeof code === 'string' ? code : undefined
}
