import { CloseCode, mayRetryUnchanged } from '../model/close-codes.ts'
import { Admission } from './admission.ts'
import type { Refusal, Status, Stop } from './api.ts'
import { retryDelayMs } from './back-off.ts'
import { messageOf, RefusedError } from './errors.ts'
import { followNetwork } from './network.ts'
import { refusalForClose } from './refusal.ts'
import { SessionSocket, type SocketClose } from './session-socket.ts'
import { Store } from './store.ts'
import type { Tokens } from './tokens.ts'
import type { Transport } from './transport.ts'

/** A connection that held so long was a good one: the next one's waits begin anew. */
const STABLE_MS = 10_000
/** Below what a server takes of documents that still wait for authentication. */
const OPENING_AT_ONCE = 40
/** The socket outlasts the last document so long: often the next one opens as a page is left. */
const IDLE_MS = 2_000

export interface ConnectionOptions {
  readonly socketUrl: string
  readonly tokens: Tokens
  readonly transport: Transport
  /** The server closed the socket since a message was too big for it. */
  readonly onMessageTooBig: () => void
}

/**
 * Keeps the session's socket open while it is wanted: gets a token first, comes back with growing, jittered waits,
 * and stops where the server says that coming back unchanged is of no use.
 */
export class Connection {
  readonly status = new Store<Status>({ kind: 'connecting' })
  readonly socket: SessionSocket
  readonly admission = new Admission(OPENING_AT_ONCE)
  readonly #options: ConnectionOptions
  readonly #stopFollowing: Stop
  #isWanted = false
  #isClosed = false
  /** The one `#connect` that counts; an older one that still waits for its token gives up. */
  #round = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #idleTimer: ReturnType<typeof setTimeout> | undefined
  #attempts = 0
  #acceptedAt: number | undefined
  /** A token that came after one was turned down has not been accepted yet. */
  #isOnProbation = false
  /** The token with which a close code that forbids coming back unchanged was overlooked, once. */
  #excusedToken: string | undefined
  /** The token that there was when the server, or the app, refused to go on. */
  #refusedToken: string | undefined

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.socket = new SessionSocket(options.socketUrl, options.transport.socketClass, {
      onOpen: () => options.transport.opened(),
      onClose: (close) => this.#closed(close),
    })
    this.#stopFollowing = followNetwork({
      onOnline: () => {
        options.transport.probe()
        this.#hurry()
      },
      onOffline: () => this.socket.drop('the network is away'),
      onVisible: () => {
        this.socket.checkConnection()
        this.#hurry()
      },
    })
    void this.#connect()
  }

  /** Whether the socket should be open: there are documents. */
  want(isWanted: boolean): void {
    if (this.#isClosed) return
    clearTimeout(this.#idleTimer)
    if (!isWanted) {
      this.#idleTimer = setTimeout(() => this.#rest(), IDLE_MS)
    } else if (!this.#isWanted) {
      this.#isWanted = true
      if (this.status.get().kind !== 'refused' && this.#timer === undefined) void this.#connect()
    }
  }

  /** Connects anew, also after a refusal: the app, or a new token, says that it is worth a try. */
  restart(): void {
    if (this.#isClosed) return
    this.#attempts = 0
    this.#isOnProbation = false
    this.#excusedToken = undefined
    this.status.set({ kind: 'connecting' })
    this.reconnect('connecting anew')
  }

  /** Gives up the present socket for a new one, at once. */
  reconnect(reason: string): void {
    if (this.#isClosed) return
    if (this.status.get().kind === 'online') this.status.set({ kind: 'connecting' })
    this.#round += 1
    this.#wait(0)
    this.socket.drop(reason)
  }

  /** A document was authenticated, or turned away for a reason of its own: the server takes the token. */
  accepted(): void {
    this.#acceptedAt ??= Date.now()
    this.#isOnProbation = false
    const { via } = this.#options.transport
    const status = this.status.get()
    if (status.kind !== 'online' || status.via !== via) this.status.set({ kind: 'online', via })
  }

  /** The server has turned the token down. Another one gets one try. */
  tokenRefused(message: string): void {
    if (this.#isClosed || this.status.get().kind === 'refused') return
    if (this.#isOnProbation) {
      this.refuse({ reason: 'unauthorized', message })
      return
    }
    this.#isOnProbation = true
    this.#options.tokens.refuse(this.#options.tokens.current?.text)
    // At once the first time; again and again only with growing waits.
    this.#attempts += 1
    this.#round += 1
    this.#wait(this.#attempts === 1 ? 0 : retryDelayMs(this.#attempts - 1))
    this.status.set({ kind: 'connecting' })
    this.socket.drop('a new token is needed')
  }

  /** A new token is there. After a refusal it is a reason to try again. */
  tokenCame(): void {
    const isNew = this.#options.tokens.current?.text !== this.#refusedToken
    if (this.status.get().kind === 'refused' && isNew) this.restart()
  }

  refuse(refusal: Refusal): void {
    this.#refusedToken = this.#options.tokens.current?.text
    this.#round += 1
    this.#cancelWait()
    this.status.set({ kind: 'refused', refusal })
    this.socket.drop('refused')
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#idleTimer)
    this.#round += 1
    this.#cancelWait()
    this.#stopFollowing()
    this.#options.transport.rest()
    this.admission.clear()
    this.socket.destroy()
  }

  #rest(): void {
    this.#isWanted = false
    this.#options.transport.rest()
    this.socket.drop('no document is open')
    if (this.status.get().kind === 'online') this.status.set({ kind: 'connecting' })
  }

  async #connect(): Promise<void> {
    this.#cancelWait()
    this.#round += 1
    const round = this.#round
    try {
      await this.#options.tokens.get()
      if (round === this.#round && this.#isWanted) this.socket.open(this.#options.transport.socketClass)
    } catch (error) {
      if (round !== this.#round) return
      if (error instanceof RefusedError) this.refuse(error.refusal)
      else this.#retry(`no token can be had: ${messageOf(error)}`)
    }
  }

  #closed({ code, reason, wasOpen }: SocketClose): void {
    if (this.#isClosed) return
    this.admission.clear()
    if (this.#acceptedAt !== undefined && Date.now() - this.#acceptedAt > STABLE_MS) this.#attempts = 0
    this.#acceptedAt = undefined
    // Dropped for a reason: what comes next is settled.
    if (!this.#isWanted || this.#timer !== undefined || this.status.get().kind === 'refused') return
    if (code === CloseCode.Unauthorized) this.tokenRefused(reason)
    else if (!mayRetryUnchanged(code)) this.#excuse(refusalForClose(code, reason))
    else {
      if (code === CloseCode.MessageTooBig) this.#options.onMessageTooBig()
      this.#retry(reason === '' ? 'the server can’t be reached' : reason)
      if (!wasOpen) void this.#tryAnotherWay()
    }
  }

  /** What one document did may have closed the socket of all: once a token, each is judged by itself. */
  #excuse(refusal: Refusal): void {
    const token = this.#options.tokens.current?.text
    if (this.#excusedToken === token) {
      this.refuse(refusal)
      return
    }
    this.#excusedToken = token
    this.#retry(refusal.message)
  }

  async #tryAnotherWay(): Promise<void> {
    if (await this.#options.transport.failed()) this.#hurry()
  }

  #retry(reason: string): void {
    this.status.set({ kind: 'offline', reason })
    this.#attempts += 1
    this.#wait(retryDelayMs(this.#attempts))
  }

  #hurry(): void {
    if (this.#timer !== undefined) void this.#connect()
  }

  #wait(delayMs: number): void {
    this.#cancelWait()
    this.#timer = setTimeout(() => void this.#connect(), delayMs)
  }

  #cancelWait(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
