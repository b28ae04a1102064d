import type { CloseCode } from '../../model/close-codes.ts'
import type { Frame } from './frames.ts'

/** What a transport tells of its peer. */
export interface TransportListener {
  /** A whole message came. */
  message(data: Uint8Array): void
  /** Something came that is no message: the peer is there. */
  heard(): void
  /** What was written has left: there is room for more. Called once for each awaitDrain(). */
  drained(): void
  /** What came is not taken, nor is anything after it: the listener closes with this code. */
  refused(code: CloseCode, reason: string): void
  /** For the log; closed() follows. */
  failed(error: unknown): void
  /** It is over. Called once. */
  closed(): void
}

/**
 * What carries one client's messages both ways: a WebSocket, or a tunnel over HTTP where sockets are blocked. What the
 * messages mean, when they may leave and how fast they are taken is the same for all (socket-connection.ts).
 */
export interface Transport {
  /** False once it is closed, or is closing. */
  readonly isOpen: boolean
  /** Whether pause() holds the client's messages back. */
  readonly isPaused: boolean
  /** Bytes written that the operating system has not taken. */
  readonly writableLength: number
  /** To be called once, before anything else. */
  listen(listener: TransportListener): void
  /** A token has been good: until then messages have a lower limit. */
  trust(): void
  /** Whether anything came since the last call, if only a part of a message. */
  hasSpoken(): boolean
  awaitDrain(): void
  /** Frames written until uncork() leave together. */
  cork(): void
  uncork(): void
  write(frame: Frame): void
  /** Asks the peer for a sign of life; `beside` leaves with it. */
  ping(beside?: Frame): void
  /** Takes no more messages, so that the client has to wait, until resume(). Some may still come. */
  pause(): void
  resume(): void
  /** Tells the peer why, and ends. `reason` has at most 123 bytes. */
  close(code: CloseCode, reason: string): void
  /** Ends at once. */
  terminate(): void
}
