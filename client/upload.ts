import { CoweaveError } from '../model/errors.ts'

/** Of one request: many proxies refuse more than 1 MB, and what breaks off on a slow line is sent again. */
const PART_BYTES = 512 * 1024
const MAX_ATTEMPTS = 6
const FIRST_RETRY_MS = 250
/** How often parts that the server lost, as by a restart, are sent again. */
const MAX_ROUNDS = 5
/** Answers that say nothing about the update itself: the same request may succeed a little later. */
const RETRIED: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])

export interface UploadOptions {
  /** Where the server is, such as `https://collab.example.com`; a path is kept. */
  readonly url: string
  /** The document. */
  readonly name: string
  /** A Yjs update of any size, up to the server's MAX_UPLOAD_BYTES. */
  readonly update: Uint8Array
  /** Called for each request: an upload may outlast a token. */
  readonly token: string | (() => Promise<string>)
  /** The version of the app's document schema. */
  readonly schema?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Size of a part, bytes. */
  readonly partBytes?: number | undefined
}

/**
 * The server did not take an update. `code` is the server's, such as `document/client-id-taken` or
 * `access/token-expired`; `upload/unreachable` when it did not answer, however often it was asked.
 */
export class UploadError extends CoweaveError {
  override readonly name = 'UploadError'
  /** The HTTP status; 0 where there was none. */
  readonly status: number

  constructor(status: number, code: string, message: string, options?: ErrorOptions) {
    super(code, message, options)
    this.status = status
  }
}

/**
 * Sends an update over HTTP, in parts if it is large, and resolves once the server has it on its disk. May be called
 * again with the same update, whatever became of it before.
 * @throws {UploadError} when the server refuses it or can't be reached
 * @throws what `token` throws, and the reason of `signal`
 */
export async function uploadUpdate(options: UploadOptions): Promise<void> {
  const { update, partBytes = PART_BYTES } = options
  const of = Math.max(1, Math.ceil(update.length / partBytes))
  if (of === 1) {
    await send(options, {}, update)
    return
  }
  const upload = crypto.randomUUID()
  let missing = Array.from({ length: of }, (_, index) => index + 1)
  for (let round = 1; round <= MAX_ROUNDS && missing.length > 0; round += 1) {
    for (const part of missing) {
      const bytes = update.subarray((part - 1) * partBytes, part * partBytes)
      missing = await send(options, { upload, part, of }, bytes)
    }
  }
  if (missing.length > 0) throw new UploadError(0, 'upload/lost', 'the server lost parts again and again')
}

/** Resolves with the numbers of the parts that the server still wants. */
async function send(
  options: UploadOptions,
  query: Readonly<Record<string, string | number>>,
  bytes: Uint8Array,
): Promise<number[]> {
  const { signal } = options
  const url = urlOf(options, query)
  for (let attempt = 1; ; attempt += 1) {
    const authorization = `Bearer ${typeof options.token === 'string' ? options.token : await options.token()}`
    const problem = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/octet-stream', Authorization: authorization },
      body: new Uint8Array(bytes),
      signal: signal ?? null,
    }).then(
      async (response) => (response.ok ? missingIn(await response.json()) : problemOf(response)),
      (cause: unknown) => new UploadError(0, 'upload/unreachable', 'the server does not answer', { cause }),
    )
    signal?.throwIfAborted()
    if (!(problem instanceof UploadError)) return problem
    const mayRetry = problem.status === 0 || RETRIED.has(problem.status)
    if (!mayRetry || attempt === MAX_ATTEMPTS) throw problem
    await delay(FIRST_RETRY_MS * 2 ** (attempt - 1), signal)
  }
}

function urlOf({ url, name, schema }: UploadOptions, query: Readonly<Record<string, string | number>>): URL {
  const target = new URL(url)
  target.pathname = `${target.pathname.replace(/\/$/, '')}/api/documents/${encodeURIComponent(name)}/sync`
  for (const [key, value] of Object.entries(query)) target.searchParams.set(key, String(value))
  if (schema !== undefined) target.searchParams.set('schema', String(schema))
  return target
}

function missingIn(answer: unknown): number[] {
  const missing: unknown = typeof answer === 'object' && answer !== null ? Reflect.get(answer, 'missing') : undefined
  return Array.isArray(missing) ? missing.map(Number) : []
}

async function problemOf(response: Response): Promise<UploadError> {
  const { status } = response
  // A proxy's own error is no JSON.
  const body: unknown = await response.json().catch(() => undefined)
  const [code, detail]: unknown[] =
    typeof body === 'object' && body !== null ? [Reflect.get(body, 'code'), Reflect.get(body, 'detail')] : []
  const isOurs = typeof code === 'string' && typeof detail === 'string'
  return isOurs ? new UploadError(status, code, detail) : new UploadError(status, 'upload/failed', `HTTP ${status}`)
}

function delay(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, ms)
    signal?.addEventListener('abort', stop, { once: true })
  })
}
