import { createHmac } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { onTestFinished } from 'vitest'
import type { ToldEvent } from './events.ts'

/** What a receiver does with a post: answers so, hangs, redirects, or cuts the connection. */
export type Manner = number | 'hang' | 'redirect' | 'reset' | 'slow' | 'endless'

export interface Posted {
  readonly event: ToldEvent
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** A back end that is posted events to, and behaves as it is told. */
export class WebhookReceiver {
  readonly url: string
  /** What it answered with 200, as it came. */
  readonly taken: Posted[] = []
  /** How often it was asked, and how often elsewhere, where it redirects to. */
  asked = 0
  strayed = 0
  /** How it behaves towards an event. */
  manner: (event: ToldEvent) => Manner = () => 200

  static async start(): Promise<WebhookReceiver> {
    const server = createServer((request, response) => void receiver.#answer(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const receiver: WebhookReceiver = new WebhookReceiver(`http://127.0.0.1:${Object(server.address()).port}/`)
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    return receiver
  }

  private constructor(url: string) {
    this.url = url
  }

  get ids(): string[] {
    return this.taken.map(({ event }) => event.id)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === '/elsewhere') this.strayed += 1
    this.asked += 1
    let body = ''
    for await (const chunk of request) body += chunk
    const event: ToldEvent = JSON.parse(body)
    const manner = this.manner(event)
    if (manner === 'hang') return
    if (manner === 'reset') return void request.socket.destroy()
    if (manner === 'redirect') return void response.writeHead(307, { Location: `${this.url}elsewhere` }).end()
    if (manner === 'slow') await new Promise((resolve) => setTimeout(resolve, 50))
    const status = typeof manner === 'number' ? manner : 200
    if (status === 200) this.taken.push({ event, headers: request.headers, body })
    response.writeHead(status)
    if (manner === 'endless') for (let count = 0; count < 40; count++) response.write('x'.repeat(8 * 1024))
    else response.end()
  }
}

/** As the specification of Standard Webhooks says, from its words. */
export function isSigned({ headers, body }: Posted, secret: string): boolean {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  const signed = [headers['webhook-id'], headers['webhook-timestamp'], body].join('.')
  const expected = `v1,${createHmac('sha256', key).update(signed).digest('base64')}`
  const age = Math.abs(Date.now() / 1000 - Number(headers['webhook-timestamp']))
  return `${headers['webhook-signature']}`.split(' ').includes(expected) && age < 300
}
