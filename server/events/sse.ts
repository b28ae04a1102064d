import { once } from 'node:events'
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'

const HEADERS: OutgoingHttpHeaders = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  // no-transform: a proxy that compresses collects first.
  'Cache-Control': 'no-store, no-transform',
  'X-Accel-Buffering': 'no',
  'X-Content-Type-Options': 'nosniff',
}

/** What a stream of server-sent events tells. Nothing is kept for its reader: it is read when that takes more. */
export interface StreamSource {
  /** Whether there will be nothing more: then the stream ends. */
  readonly isOver: boolean
  /** The next frames; '' for nothing now. */
  read(): Promise<string>
  /** Resolves once there may be more than was read, with true, or after `timeoutMs`. Never rejects. */
  next(timeoutMs: number, signal: AbortSignal): Promise<boolean>
}

export interface StreamLimits {
  /** How often a stream at rest shows that it is there, and how long its reader may take none of it, ms. */
  readonly heartbeatMs: number
  /** When it ends, ms since 1970; undefined for never. */
  readonly endsAt: number | undefined
  /** Whether its reader may be told nothing more, since an admin has revoked their tokens. */
  readonly isRevoked: () => boolean
  /** Aborted when an admin sends the reader away. */
  readonly kicked: AbortSignal
}

/**
 * Sends what `source` has as server-sent events. Resolves once the stream is over: the reader has left or takes nothing,
 * its time is over, or the source's is, or an admin has ended it.
 * @throws what the source throws: then the stream is cut off
 */
export async function stream(
  response: ServerResponse,
  headers: OutgoingHttpHeaders,
  source: StreamSource,
  { heartbeatMs, endsAt = Number.POSITIVE_INFINITY, isRevoked, kicked }: StreamLimits,
): Promise<void> {
  // Who left before that, as while it was asked whether they may read it, does not leave again, and drops what is written.
  if (response.destroyed) return
  const left = new AbortController()
  response.on('close', () => left.abort())
  response.on('error', () => left.abort())
  const over = AbortSignal.any([left.signal, kicked])
  response.writeHead(200, { ...headers, ...HEADERS })
  response.write(':\n\n')
  try {
    while (!over.aborted && !source.isOver && Date.now() < endsAt) {
      const frames = await source.read()
      if (isRevoked() || over.aborted) break
      if (frames !== '') response.write(frames)
      else if (!(await source.next(Math.min(heartbeatMs, endsAt - Date.now()), over))) response.write(':\n\n')
      if (response.writableNeedDrain && !(await drained(response, heartbeatMs, over))) break
    }
    response.end()
    // A reader that takes nothing takes no end either.
    if (response.writableNeedDrain) response.destroy()
  } catch (error) {
    response.destroy()
    throw error
  }
}

/** An event of a stream. Without an `id` it is not what a reader goes on behind, without a `name` it is a plain message. */
export function frame({ id, name, data }: { id?: string | number; name?: string; data: object }): string {
  const head = `${id === undefined ? '' : `id: ${id}\n`}${name === undefined ? '' : `event: ${name}\n`}`
  return `${head}data: ${JSON.stringify(data)}\n\n`
}

/** False if that takes too long, or the reader has left. */
async function drained(response: ServerResponse, timeoutMs: number, left: AbortSignal): Promise<boolean> {
  try {
    await once(response, 'drain', { signal: AbortSignal.any([left, AbortSignal.timeout(timeoutMs)]) })
    return true
  } catch {
    return false
  }
}
