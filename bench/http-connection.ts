import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** One connection that asks one thing after the other, and costs less than node:http: it only finds where answers end. */
export class HttpConnection {
  readonly #socket: Socket
  readonly #token: string
  #received = ''
  #waiting: PromiseWithResolvers<string> | undefined

  static async open(url: string, token: string): Promise<HttpConnection> {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    await once(socket, 'connect')
    return new HttpConnection(socket, token)
  }

  private constructor(socket: Socket, token: string) {
    this.#socket = socket
    this.#token = token
    socket.setEncoding('latin1') // a character a byte
    socket.setNoDelay(true)
    socket.on('data', (chunk: string) => this.#receive(chunk))
    socket.on('close', () => this.#waiting?.reject(new Error('the server closed the connection')))
  }

  /** The body of the answer, a character a byte. Rejects when it isn't 200. */
  get(path: string): Promise<string> {
    const waiting = Promise.withResolvers<string>()
    this.#waiting = waiting
    this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${this.#token}\r\n\r\n`)
    return waiting.promise
  }

  close(): void {
    this.#waiting = undefined
    this.#socket.destroy()
  }

  #receive(chunk: string): void {
    this.#received += chunk
    const end = this.#received.indexOf('\r\n\r\n')
    if (end < 0) return
    const [, length] = /\r\ncontent-length: (\d+)/i.exec(this.#received.slice(0, end)) ?? []
    if (length === undefined || this.#received.length < end + 4 + Number(length)) return
    const [answer, body] = [this.#received.slice(0, end), this.#received.slice(end + 4)]
    this.#received = ''
    if (answer.startsWith('HTTP/1.1 200 ')) this.#waiting?.resolve(body)
    else this.#waiting?.reject(new Error(`${answer}\n${body}`))
  }
}
