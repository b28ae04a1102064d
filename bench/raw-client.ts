import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/**
 * One WebSocket client that costs as little as can be, so that thousands of them leave the processor to the server they
 * measure. It reads what servers send: unmasked frames without extensions (RFC 6455, section 5.2).
 */
export class RawClient {
  /** Called with each binary message, which is valid during the call only. */
  onMessage: (message: Buffer) => void = () => {}
  onClose: () => void = () => {}
  /** Why the server has closed it, if it said so. */
  closeReason = ''
  /** Called with whatever has come, before its messages. */
  onData: () => void = () => {}
  /** Of a longer message only so many bytes are handed over, once all of it has come. */
  keptBytes = Number.POSITIVE_INFINITY
  readonly #socket: Socket
  /** What has come of a message that isn't whole yet… */
  #rest: Buffer[] = []
  #restBytes = 0
  /** …and how many bytes are needed to go on. */
  #neededBytes = 0
  /** Of a message in several frames. */
  #fragments: Buffer[] = []
  /** How many bytes are still to come of a message whose beginning is kept. */
  #skippedBytes = 0
  #beginning: { readonly frame: FrameHead; readonly kept: Buffer } | undefined

  /** Resolves once the server has agreed to be a WebSocket. */
  static async open(url: string): Promise<RawClient> {
    const { hostname, port, pathname, search } = new URL(url)
    const socket = connect(Number(port), hostname)
    await once(socket, 'connect')
    socket.setNoDelay(true)
    const lines = [
      `GET ${pathname}${search} HTTP/1.1`,
      `Host: ${hostname}:${port}`,
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    ]
    socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    let head = Buffer.alloc(0)
    for (;;) {
      const [chunk]: Buffer[] = await once(socket, 'data')
      head = Buffer.concat([head, chunk ?? Buffer.alloc(0)])
      const end = head.indexOf('\r\n\r\n')
      if (end === -1) continue
      if (!head.toString('latin1', 0, end).startsWith('HTTP/1.1 101 ')) throw new Error(head.toString('latin1'))
      return new RawClient(socket, head.subarray(end + 4))
    }
  }

  private constructor(socket: Socket, first: Buffer) {
    this.#socket = socket
    if (first.length > 0) setImmediate(() => this.#receive(first))
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', () => {}) // it closes
    socket.on('close', () => this.onClose())
  }

  get bytesRead(): number {
    return this.#socket.bytesRead
  }

  /** Sends binary messages in one write. */
  send(...messages: readonly Uint8Array[]): void {
    this.#socket.write(Buffer.concat(messages.map((message) => maskedFrame(0x82, message))))
  }

  close(): void {
    this.#socket.destroy()
  }

  #receive(chunk: Buffer): void {
    this.onData()
    const left = this.#skip(chunk)
    if (left.length === 0) return
    // A long message comes in many pieces: to put them together at each would cost the square of its length.
    this.#rest.push(left)
    this.#restBytes += left.length
    if (this.#restBytes < this.#neededBytes) return
    const data = this.#rest.length === 1 ? left : Buffer.concat(this.#rest)
    let at = 0
    this.#neededBytes = 0
    for (;;) {
      const frame = frameAt(data, at)
      if (frame === undefined) break
      const { start, end } = frame
      if (end > data.length) {
        this.#neededBytes = Math.min(end, start + this.keptBytes) - at
        if (data.length - at < this.#neededBytes) break
        this.#beginning = { frame, kept: Buffer.from(data.subarray(start, start + this.keptBytes)) }
        this.#skippedBytes = end - data.length
        at = data.length
        break
      }
      at = end
      const payload = data.subarray(start, end)
      if (frame.opcode < 8) this.#take(frame, payload)
      else if (frame.opcode === 8) this.closeReason = payload.toString('utf8', 2)
      else if (frame.opcode === 9) this.#socket.write(maskedFrame(0x8a, payload))
    }
    this.#rest = at === data.length ? [] : [data.subarray(at)]
    this.#restBytes = data.length - at
  }

  #take({ isLast }: FrameHead, payload: Buffer): void {
    if (isLast && this.#fragments.length === 0) {
      this.onMessage(payload)
      return
    }
    const isKept = this.#fragments.length === 0 || this.keptBytes === Number.POSITIVE_INFINITY
    if (isKept) this.#fragments.push(Buffer.from(payload))
    if (!isLast) return
    const message = Buffer.concat(this.#fragments)
    this.#fragments = []
    this.onMessage(message)
  }

  /** Returns what of `chunk` is not of the message that is skipped. */
  #skip(chunk: Buffer): Buffer {
    const skipped = Math.min(this.#skippedBytes, chunk.length)
    this.#skippedBytes -= skipped
    const beginning = this.#beginning
    if (beginning === undefined || this.#skippedBytes > 0) return chunk.subarray(skipped)
    this.#beginning = undefined
    this.#take(beginning.frame, beginning.kept)
    return chunk.subarray(skipped)
  }
}

interface FrameHead {
  readonly opcode: number
  /** Whether its message ends with it. */
  readonly isLast: boolean
  readonly start: number
  readonly end: number
}

/** The frame that begins at `at`, if its header has come. */
function frameAt(data: Buffer, at: number): FrameHead | undefined {
  if (data.length < at + 2) return undefined
  const short = (data[at + 1] ?? 0) & 0x7f
  const start = at + (short === 127 ? 10 : short === 126 ? 4 : 2)
  if (data.length < start) return undefined
  const length =
    short === 127 ? Number(data.readBigUInt64BE(at + 2)) : short === 126 ? data.readUInt16BE(at + 2) : short
  const first = data[at] ?? 0
  return { opcode: first & 0x0f, isLast: first >= 0x80, start, end: start + length }
}

/** Masked with zeros, which leaves the payload as it is. */
function maskedFrame(first: number, payload: Uint8Array): Buffer {
  const { length } = payload
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(head + 4 + length)
  frame[0] = first
  frame[1] = 0x80 | (head === 2 ? length : head === 4 ? 126 : 127)
  if (head === 4) frame.writeUInt16BE(length, 2)
  if (head === 10) frame.writeBigUInt64BE(BigInt(length), 2)
  frame.fill(0, head, head + 4)
  frame.set(payload, head + 4)
  return frame
}
