import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'

export interface FrameOptions {
  /** 1 text, 2 binary, 8 close, 9 ping, 10 pong; 0 goes on with a fragmented message. */
  readonly opcode?: number
  readonly fin?: boolean
  readonly masked?: boolean
  /** The three reserved bits. */
  readonly reserved?: number
  /** What the header says instead of the length of the payload. */
  readonly declaredLength?: number
}

export interface OpenOptions {
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Whether it answers pings, as every correct client does. */
  readonly answersPings?: boolean
}

export interface Closed {
  /** The code of the server's close frame; 1006 when the connection ended without one. */
  readonly code: number
  readonly reason: string
}

/** An HTTP answer to what was no handshake. */
export interface HttpAnswer {
  readonly status: number
  readonly body: string
}

/** Bytes of one WebSocket frame, as wrong as `options` says. */
export function frame(payload: Uint8Array, options: FrameOptions = {}): Buffer {
  const { opcode = 2, fin = true, masked = true, reserved = 0, declaredLength = payload.length } = options
  const header = [(fin ? 0x80 : 0) | (reserved << 4) | opcode]
  const maskBit = masked ? 0x80 : 0
  if (declaredLength < 126) header.push(maskBit | declaredLength)
  else if (declaredLength < 65_536) header.push(maskBit | 126, declaredLength >> 8, declaredLength & 255)
  else {
    const length = Buffer.alloc(8)
    length.writeBigUInt64BE(BigInt(declaredLength))
    header.push(maskBit | 127, ...length)
  }
  if (!masked) return Buffer.concat([Buffer.from(header), payload])
  const mask = Buffer.of(1, 2, 3, 4)
  const body = Buffer.from(payload)
  for (let index = 0; index < body.length; index += 1) {
    body[index] = (body[index] ?? 0) ^ (mask[index & 3] ?? 0)
  }
  return Buffer.concat([Buffer.from(header), mask, body])
}

/** The lines of an upgrade request that a WebSocket client sends. */
export function upgradeRequest(path: string, headers: Readonly<Record<string, string | undefined>> = {}): string {
  const all: Record<string, string | undefined> = {
    Host: '127.0.0.1',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    ...headers,
  }
  const lines = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]))
  return `GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`
}

/** Sends `request` over TCP as it is and resolves with the answer, once the server has closed the connection. */
export function sendHttp(port: number, request: string | Uint8Array): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('error', () => {}) // a server may reset a connection once it has answered
    socket.on('close', () => {
      const text = Buffer.concat(chunks).toString()
      const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1])
      if (Number.isNaN(status)) reject(new Error(`no HTTP answer: ${JSON.stringify(text.slice(0, 200))}`))
      else resolve({ status, body: text.slice(text.indexOf('\r\n\r\n') + 4) })
    })
    socket.on('end', () => socket.end())
    socket.write(request)
  })
}

/**
 * A WebSocket client at the level of frames and bytes, which does only what it is told: no closing handshake, no
 * reconnecting, wrong frames where a test wants them, and no reading while it is paused.
 */
export class FrameSocket {
  readonly socket: Socket
  /** Binary messages, oldest first. */
  readonly messages: Uint8Array[] = []
  /** Resolves once the server has sent its close frame, or has ended the connection. */
  readonly closed: Promise<Closed>
  /** Resolves once the TCP connection is gone. */
  readonly ended: Promise<void>
  pings = 0
  #received: Buffer = Buffer.alloc(0)
  /** Of a message that is not complete. */
  readonly #fragments: Buffer[] = []
  readonly #answersPings: boolean
  readonly #close = Promise.withResolvers<Closed>()
  readonly #listeners = new Set<() => void>()

  /** Resolves once the server has accepted the upgrade. @throws {Error} with its status when it has not */
  static open(server: { readonly port: number }, options: OpenOptions = {}): Promise<FrameSocket> {
    const { path = '/collab', headers = {}, answersPings = true } = options
    return new Promise((resolve, reject) => {
      const socket = connect(server.port, '127.0.0.1')
      let head = Buffer.alloc(0)
      const read = (chunk: Buffer) => {
        head = Buffer.concat([head, chunk])
        const end = head.indexOf('\r\n\r\n')
        if (end === -1) return
        const [status] = head.toString('latin1').split('\r\n')
        if (!status?.startsWith('HTTP/1.1 101 ')) {
          socket.destroy()
          reject(new Error(`the handshake was refused: ${status}`))
          return
        }
        socket.off('data', read)
        resolve(new FrameSocket(socket, head.subarray(end + 4), answersPings))
      }
      socket.on('data', read)
      socket.on('error', reject)
      socket.write(upgradeRequest(path, headers))
    })
  }

  private constructor(socket: Socket, rest: Buffer, answersPings: boolean) {
    this.socket = socket
    this.#answersPings = answersPings
    this.closed = this.#close.promise
    socket.setNoDelay(true)
    socket.on('error', () => {}) // its close event follows
    this.ended = new Promise((resolve) => {
      socket.on('close', () => {
        this.#close.resolve({ code: 1006, reason: '' })
        resolve()
      })
    })
    socket.on('end', () => socket.end())
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    this.#read(rest)
  }

  /** Sends a message in one frame, or what `options` makes of it. */
  send(payload: Uint8Array, options: FrameOptions = {}): void {
    this.sendRaw(frame(payload, options))
  }

  /** Sends messages in one write, so that the server gets them in one turn of its loop. */
  sendTogether(...payloads: readonly Uint8Array[]): void {
    this.sendRaw(Buffer.concat(payloads.map((payload) => frame(payload))))
  }

  sendRaw(bytes: Uint8Array): void {
    if (this.socket.writable) this.socket.write(bytes)
  }

  /** Resolves with the first message, of those received or to come, that `matches`; rejects when the socket closes. */
  async message(matches: (message: Uint8Array) => boolean): Promise<Uint8Array> {
    let seen = 0
    for (;;) {
      for (; seen < this.messages.length; seen += 1) {
        const message = this.messages[seen]
        if (message !== undefined && matches(message)) return message
      }
      const closed = await Promise.race([this.closed, this.#next()])
      if (closed !== undefined && seen === this.messages.length) {
        throw new Error(`closed with ${closed.code} ${closed.reason} before the message came`)
      }
    }
  }

  /** Reads nothing more from the network until resume(), so that what the server sends piles up. */
  pause(): void {
    this.socket.pause()
  }

  resume(): void {
    this.socket.resume()
  }

  /** Ends the TCP connection without a close frame, as a crash does. */
  destroy(): void {
    this.socket.destroy()
  }

  #next(): Promise<undefined> {
    return new Promise((resolve) => {
      const listener = () => {
        this.#listeners.delete(listener)
        resolve(undefined)
      }
      this.#listeners.add(listener)
    })
  }

  #read(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    for (;;) {
      const parsed = parseFrame(this.#received)
      if (parsed === undefined) return
      this.#received = this.#received.subarray(parsed.size)
      this.#handle(parsed)
    }
  }

  #handle({ opcode, isLast, payload }: ParsedFrame): void {
    if (opcode === 0 || opcode === 2) {
      this.#fragments.push(payload)
      if (!isLast) return
      this.messages.push(new Uint8Array(Buffer.concat(this.#fragments.splice(0))))
      for (const listener of [...this.#listeners]) listener()
    } else if (opcode === 8) {
      const code = payload.length < 2 ? 1005 : payload.readUInt16BE(0)
      this.#close.resolve({ code, reason: payload.subarray(2).toString() })
      this.send(payload.subarray(0, 2), { opcode: 8 })
    } else if (opcode === 9) {
      this.pings += 1
      if (this.#answersPings) this.send(payload, { opcode: 10 })
    }
  }
}

interface ParsedFrame {
  readonly opcode: number
  /** Whether it is the last one of its message. */
  readonly isLast: boolean
  readonly payload: Buffer
  readonly size: number
}

/** The first frame of a server in `bytes`, if all of it is there. */
function parseFrame(bytes: Buffer): ParsedFrame | undefined {
  const [first, second] = bytes
  if (first === undefined || second === undefined) return undefined
  const short = second & 0x7f
  const headerLength = short < 126 ? 2 : short === 126 ? 4 : 10
  if (bytes.length < headerLength) return undefined
  const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
  const size = headerLength + length
  if (bytes.length < size) return undefined
  const payload = bytes.subarray(headerLength, size)
  return { opcode: first & 0x0f, isLast: (first & 0x80) !== 0, payload, size }
}
