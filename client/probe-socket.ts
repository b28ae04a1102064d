import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'

/** The part of the Hocuspocus protocol that a probe needs. */
const SYNC = 0
const AUTH = 2
const SYNC_REPLY = 4
const STEP_1 = 0
const STEP_2 = 1
const TOKEN = 0
const DENIED = 1
const AUTHENTICATED = 2

/** A WebSocket, or what looks like one. */
export interface ProbedSocket {
  binaryType: string
  send(message: Uint8Array<ArrayBuffer>): void
  close(): void
  addEventListener(type: 'open' | 'message' | 'error' | 'close', listener: (event: object) => void): void
}

/** A probe got no answer: the connection was closed, with `code`, or nothing came in time. */
export class ProbeError extends Error {
  override readonly name = 'ProbeError'
  /** Undefined when nothing came in time. */
  readonly code: number | undefined

  constructor(code: number | undefined, message: string) {
    super(message)
    this.code = code
  }
}

/** What the server says to a token: the scope it gives, or why it gives none. */
export type Admission = { readonly scope: string } | { readonly denied: string }

/** Asks a server one thing after the other over one connection. */
export class ProbeSocket {
  readonly #socket: ProbedSocket
  readonly #timeoutMs: number
  readonly #opened = Promise.withResolvers<void>()
  readonly #failed = Promise.withResolvers<never>()
  #onMessage: (message: Uint8Array) => void = () => {}

  constructor(socket: ProbedSocket, timeoutMs: number) {
    this.#socket = socket
    this.#timeoutMs = timeoutMs
    this.#failed.promise.catch(() => {}) // whoever waits is told
    socket.binaryType = 'arraybuffer'
    socket.addEventListener('open', () => this.#opened.resolve())
    // Its close follows, and tells more.
    socket.addEventListener('error', () => {})
    socket.addEventListener('close', (event) => {
      const [code, reason]: unknown[] = [Reflect.get(event, 'code'), Reflect.get(event, 'reason')]
      this.#failed.reject(new ProbeError(Number(code), `closed with ${code}${reason ? `: ${reason}` : ''}`))
    })
    socket.addEventListener('message', (event) => {
      const data: unknown = Reflect.get(event, 'data')
      if (data instanceof ArrayBuffer) this.#onMessage(new Uint8Array(data))
    })
  }

  /** @throws {ProbeError} */
  async open(): Promise<void> {
    await this.#inTime(this.#opened.promise)
  }

  /** Sends a token for a document. Any answer shows that messages pass both ways. @throws {ProbeError} */
  authenticate(document: string, token: string): Promise<Admission> {
    return this.#ask(
      document,
      (encoder) => {
        encoding.writeVarUint(encoder, AUTH)
        encoding.writeVarUint(encoder, TOKEN)
        encoding.writeVarString(encoder, token)
      },
      (decoder): Admission | undefined => {
        if (decoding.readVarUint(decoder) !== AUTH) return undefined
        const type = decoding.readVarUint(decoder)
        if (type === DENIED) return { denied: decoding.readVarString(decoder) }
        return type === AUTHENTICATED ? { scope: decoding.readVarString(decoder) } : undefined
      },
    )
  }

  /** What a replica at `stateVector` lacks of an authenticated document. @throws {ProbeError} */
  missing(document: string, stateVector = Y.encodeStateVector(new Y.Doc())): Promise<Uint8Array> {
    return this.#ask(
      document,
      (encoder) => {
        encoding.writeVarUint(encoder, SYNC_REPLY)
        encoding.writeVarUint(encoder, STEP_1)
        encoding.writeVarUint8Array(encoder, stateVector)
      },
      (decoder) => {
        if (decoding.readVarUint(decoder) !== SYNC || decoding.readVarUint(decoder) !== STEP_2) return undefined
        return decoding.readVarUint8Array(decoder)
      },
    )
  }

  close(): void {
    this.#socket.close()
  }

  #ask<T>(
    document: string,
    write: (encoder: encoding.Encoder) => void,
    read: (decoder: decoding.Decoder) => T | undefined,
  ): Promise<T> {
    const message = encoding.encode((encoder) => {
      encoding.writeVarString(encoder, document)
      write(encoder)
    })
    const answer = new Promise<T>((resolve) => {
      this.#onMessage = (data) => {
        const decoder = decoding.createDecoder(data)
        const found = decoding.readVarString(decoder) === document ? read(decoder) : undefined
        if (found !== undefined) resolve(found)
      }
    })
    this.#socket.send(new Uint8Array(message))
    return this.#inTime(answer)
  }

  async #inTime<T>(answer: Promise<T>): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new ProbeError(undefined, `no answer in ${this.#timeoutMs} ms`)), this.#timeoutMs)
    })
    try {
      return await Promise.race([answer, this.#failed.promise, late])
    } finally {
      clearTimeout(timer)
    }
  }
}
