import { request as requestPlain } from 'node:http'
import { request as requestSecure } from 'node:https'
import type { Webhook } from '../../persistence/webhook-store.ts'
import { waitMsIn } from '../retry-after.ts'
import { signedHeaders } from './signature.ts'
import { addressRefused, isPrivateHost, isRefusedLiteral, publicLookup } from './targets.ts'

/** Read of an answer, which says nothing that matters, so that the receiver can finish it. */
const MAX_ANSWER_BYTES = 64 * 1024
const MAX_HEADER_BYTES = 16 * 1024

export interface PostOptions {
  /** As in WEBHOOK_PRIVATE_HOSTS. */
  readonly privateHosts: readonly string[]
  /** From the look-up of its name to the end of its answer. */
  readonly timeoutMs: number
}

export type PostAnswer =
  | { readonly isTaken: true }
  /** Not to be asked again before so many ms, if it said so. */
  | { readonly isTaken: false; readonly problem: string; readonly afterMs: number | undefined }

/** Posts one body to a webhook, signed, on a connection of its own; redirects are not followed. Never rejects. */
export async function postWebhook(
  { url, secret }: Pick<Webhook, 'url' | 'secret'>,
  { id, body }: { readonly id: string; readonly body: string },
  { privateHosts, timeoutMs }: PostOptions,
  stop: AbortSignal,
): Promise<PostAnswer> {
  try {
    const target = new URL(url)
    const isTrusted = isPrivateHost(target, privateHosts)
    if (!isTrusted && (target.protocol !== 'https:' || isRefusedLiteral(target))) throw addressRefused(target.hostname)
    const { status, retryAfter } = await post(target, {
      body,
      headers: signedHeaders(secret, { id, atS: Math.floor(Date.now() / 1000), body }),
      lookup: isTrusted ? undefined : publicLookup,
      signal: AbortSignal.any([stop, AbortSignal.timeout(timeoutMs)]),
    })
    if (status >= 200 && status < 300) return { isTaken: true }
    return { isTaken: false, problem: `it answered ${status}`, afterMs: waitMsIn(retryAfter) }
  } catch (error) {
    return { isTaken: false, problem: problemOf(error), afterMs: undefined }
  }
}

interface Posted {
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
  readonly lookup: typeof publicLookup | undefined
  readonly signal: AbortSignal
}

function post(
  target: URL,
  { body, headers, lookup, signal }: Posted,
): Promise<{ readonly status: number; readonly retryAfter: string | undefined }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; retryAfter: string | undefined }>()
  const send = target.protocol === 'https:' ? requestSecure : requestPlain
  const request = send(target, {
    method: 'POST',
    // A connection of its own: one that is kept was checked for another moment, and may just be closing.
    agent: false,
    headers: {
      ...headers,
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
      'User-Agent': 'Coweave',
    },
    maxHeaderSize: MAX_HEADER_BYTES,
    signal,
    ...(lookup && { lookup }),
  })
  let answer: { status: number; retryAfter: string | undefined } | undefined
  // What it has answered counts, also where the rest never comes.
  const over = (error: Error) => (answer === undefined ? reject(error) : resolve(answer))
  request.on('error', over)
  // Also where it answered with a protocol of its own (101), which is neither a response nor an error.
  request.on('close', () => over(new Error('it was closed')))
  request.on('response', (response) => {
    answer = { status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'] }
    let bytes = 0
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > MAX_ANSWER_BYTES) request.destroy()
    })
    response.on('error', over)
  })
  request.end(body)
  return promise
}

function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  if (cause instanceof Error && cause.name === 'TimeoutError') return 'it did not answer in time'
  return error.message || error.name
}
