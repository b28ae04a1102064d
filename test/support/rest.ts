import { type TestServer, type TokenOptions, tokenFor } from './server.ts'

export interface RestOptions extends TokenOptions {
  readonly user?: string
  readonly method?: string
  /** Sent as JSON, unless it is text or bytes. */
  readonly body?: unknown
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface RestAnswer {
  readonly status: number
  readonly etag: string | null
  readonly type: string | null
  readonly text: string
  /** The body, where it is JSON. */
  readonly body: Readonly<Record<string, unknown>>
}

/** Asks the API as `user`. */
export async function rest(
  { url }: Pick<TestServer, 'url'>,
  path: string,
  { user = 'backend', method = 'GET', body, type, headers = {}, ...token }: RestOptions = {},
): Promise<RestAnswer> {
  const isRaw = typeof body === 'string' || body instanceof Uint8Array
  const sentType = type ?? (isRaw ? 'text/markdown' : 'application/json')
  const response = await fetch(url + path, {
    method,
    headers: {
      authorization: `Bearer ${tokenFor(user, token)}`,
      ...(body === undefined ? {} : { 'content-type': sentType }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: isRaw ? Buffer.from(body) : JSON.stringify(body) }),
  })
  const text = await response.text()
  const answerType = response.headers.get('content-type')
  const isJson = /[/+]json/.test(answerType ?? '')
  return {
    status: response.status,
    etag: response.headers.get('etag'),
    type: answerType,
    text,
    body: isJson ? JSON.parse(text) : {},
  }
}

export function documentPath(name: string, rest = ''): string {
  return `/api/documents/${encodeURIComponent(name)}${rest}`
}
