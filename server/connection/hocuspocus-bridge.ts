import type { Connection, Hocuspocus, WebSocketLike } from '@hocuspocus/server'
import type { Logger } from 'pino'
import { WebSocket } from 'ws'
import { CloseCode } from '../../model/close-codes.ts'
import { DOCUMENT_DELETED } from '../documents/deletions.ts'
import { type Dialect, deniedReason, documentOfKey } from './dialect.ts'
import type { Egress } from './egress.ts'
import { MessageType } from './frames.ts'
import type { PendingDocuments } from './pending-documents.ts'
import type { ConnectionContext } from './socket-connection.ts'
import type { Transport } from './transport.ts'

/** Our hooks read nothing of the request: a token comes in a message. */
const NO_REQUEST = new Request('http://localhost/')
/** Why a document isn't opened now, and may be a little later. */
const RETRIED_REASONS: ReadonlySet<string> = new Set([
  'storage/unavailable',
  'storage/full',
  'access/unavailable',
  'document/seed-failed',
  'document/rules-failed',
])

export interface BridgeOptions {
  readonly transport: Transport
  readonly dialect: Dialect
  readonly egress: Egress
  readonly pending: PendingDocuments
  readonly logger: Logger
  /** What our hooks get. */
  readonly context: ConnectionContext
  /** Takes a message of the client once more. */
  readonly receive: (data: Uint8Array) => void
  /** A document was denied to a client that keeps its connection all the same. */
  readonly onDenied: (key: string) => void
  /** Closes the client's connection. */
  readonly close: (code: CloseCode, reason: string) => void
}

/**
 * Hocuspocus' side of one client, which authenticates it and loads its documents. Hocuspocus takes this for the client's
 * WebSocket: what it sends goes to the egress, and what it denies ends what waited for the document.
 */
export class HocuspocusBridge {
  readonly #options: BridgeOptions
  readonly #connection: ReturnType<Hocuspocus['handleConnection']>
  #isDetaching = false

  constructor(hocuspocus: Hocuspocus, options: BridgeOptions) {
    this.#options = options
    this.#connection = hocuspocus.handleConnection(this.#webSocket(), NO_REQUEST, options.context)
  }

  /** Has Hocuspocus handle a message of the client. */
  handle(message: Uint8Array): void {
    this.#connection.handleMessage(message)
  }

  /** Closes one document and keeps the socket. */
  detach(connection: Connection): void {
    // Hocuspocus answers with a close message, which a client that reopens the document at once takes for the new one's.
    this.#isDetaching = true
    connection.close({ code: 1000, reason: 'closed alone' })
    this.#isDetaching = false
  }

  /** The client is gone. */
  closed(code: number, reason: string): void {
    this.#connection.handleClose({ code, reason })
  }

  #webSocket(): WebSocketLike {
    const { transport, close } = this.#options
    return {
      get readyState() {
        return transport.isOpen ? WebSocket.OPEN : WebSocket.CLOSED
      },
      send: (data) => this.#send(data instanceof Uint8Array ? data : new Uint8Array(0)),
      close: (code, reason) => close(code === 4401 ? CloseCode.Unauthorized : CloseCode.Malformed, reason ?? ''),
    }
  }

  #send(message: Uint8Array): void {
    if (this.#isDetaching || message.length === 0) return
    const { dialect, egress } = this.#options
    const denied = deniedReason(message)
    if (denied !== undefined) this.#denied(denied.key, denied.reason)
    const frame = dialect.translate(message)
    if (frame !== undefined) egress.send(frame, true)
  }

  #denied(key: string, reason: string): void {
    const { pending, logger, dialect, close, onDenied, egress } = this.#options
    egress.traffic.refused(reason)
    const waiting = pending.take(key)
    logger.info({ document: documentOfKey(key), reason }, 'document denied')
    // Only Hocuspocus' clients understand a denial; and storage or keys that are away deny nobody.
    if (RETRIED_REASONS.has(reason)) close(CloseCode.TryAgainLater, reason)
    else if (dialect.acknowledges) {
      onDenied(key)
      this.#openAgain(waiting)
    } else close(closeCodeOf(reason), reason)
  }

  /** A client that closed a document and opened it once more, while its first token was checked, has sent another one. */
  #openAgain(waiting: readonly Uint8Array[]): void {
    const { dialect, receive } = this.#options
    const next = waiting.findIndex((message) => dialect.read(message).type === MessageType.Auth)
    if (next === -1) return
    // Hocuspocus forgets the denied document right after it has said so.
    queueMicrotask(() => {
      for (const message of waiting.slice(next)) receive(message)
    })
  }
}

function closeCodeOf(reason: string): CloseCode {
  if (reason === DOCUMENT_DELETED) return CloseCode.Deleted
  return reason.startsWith('access/token') ? CloseCode.Unauthorized : CloseCode.Forbidden
}
