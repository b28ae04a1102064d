import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { TestServer } from './server.ts'

const UPGRADE = /^GET [\s\S]*\r\nupgrade: websocket\r\n/i

/** A way to a server that can be cut, as when a train enters a tunnel, and that may let plain HTTP through only. */
export class Cable {
  /** WebSockets are refused, as some networks do. */
  blocksSockets = false
  /** How many connections were ever made to it, also those that it refused. */
  accepted = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #isCut = false
  #isStalled = false

  /** The target's port is looked at for each connection: it may be another server's by then. */
  static async to(target: Pick<TestServer, 'port'>): Promise<Cable> {
    const cable = new Cable(target)
    cable.#server.listen(0, '127.0.0.1')
    await once(cable.#server, 'listening')
    return cable
  }

  private constructor(target: Pick<TestServer, 'port'>) {
    this.#server = createServer((near) => {
      this.accepted += 1
      if (this.#isCut) {
        near.destroy()
        return
      }
      const far = connect(target.port, '127.0.0.1')
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(socket)
        // A browser asks for a socket also on a connection that has carried plain HTTP before.
        socket.on('data', (chunk: Buffer) => {
          if (socket === near && this.blocksSockets && UPGRADE.test(chunk.toString('latin1'))) near.destroy()
          else if (!other.write(chunk)) socket.pause()
        })
        other.on('drain', () => !this.#isStalled && socket.resume())
        socket.on('end', () => other.end())
        socket.on('error', () => {}) // cut
        socket.on('close', () => {
          this.#sockets.delete(socket)
          other.destroy()
        })
        if (this.#isStalled) socket.pause()
      }
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get socketUrl(): string {
    return `ws://127.0.0.1:${this.port}/collab`
  }

  /** How many connections lead to the server. */
  get connections(): number {
    return this.#sockets.size / 2
  }

  get isCut(): boolean {
    return this.#isCut
  }

  /** Connections break, and new ones are refused. */
  cut(): void {
    this.#isCut = true
    this.drop()
  }

  /** Connections break; new ones may be made at once. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Nothing arrives any more, and nobody is told. */
  stall(): void {
    this.#isStalled = true
    for (const socket of this.#sockets) socket.pause()
  }

  /** Works again, as after it was made. What was stalled arrives now. */
  mend(): void {
    this.#isCut = false
    this.#isStalled = false
    for (const socket of this.#sockets) socket.resume()
  }

  close(): void {
    this.cut()
    this.#server.close()
  }
}
