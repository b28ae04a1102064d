import type { ProbeError } from './probe-socket.ts'

/** What a check found. */
export type Finding =
  | { readonly outcome: 'ok'; readonly detail: string }
  | { readonly outcome: 'skipped'; readonly detail: string }
  | {
      readonly outcome: 'failed'
      readonly detail: string
      /** The likely cause, and what to do about it. */
      readonly cause: string
      readonly advice: string
    }

/** How a server answered the request for a WebSocket, where that can be seen. */
export interface UpgradeRefusal {
  readonly status: number
  /** The server's own code; undefined where somebody else has answered. */
  readonly code: string | undefined
}

export function failed(detail: string, cause: string, advice: string): Finding {
  return { outcome: 'failed', detail, cause, advice }
}

export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}

/** Whether it was Coweave that answered at /health/live. */
export async function judgeHealth(response: Response): Promise<Finding> {
  const body: unknown = await response.json().catch(() => undefined)
  const isCoweave = typeof body === 'object' && body !== null && Reflect.get(body, 'server') === 'coweave'
  if (response.ok && isCoweave) return { outcome: 'ok', detail: 'Coweave answers' }
  const { status } = response
  const detail = `HTTP ${status}${response.redirected ? ` from ${response.url}` : ''}, and not from Coweave`
  if ([502, 503, 504].includes(status)) {
    return failed(
      detail,
      'a proxy answers, and does not reach the server',
      'see whether the server runs, and where the proxy sends requests',
    )
  }
  if (status === 404) {
    return failed(detail, 'another server, or another path on it', 'check the host, the port and the path of the URL')
  }
  if (status === 401 || status === 403 || status === 407) {
    return failed(detail, 'a proxy in front of the server asks who you are', 'let /health, /collab and /api pass it')
  }
  return failed(
    detail,
    'something else answers: another server, or the sign-in page of a network',
    'open the URL in a browser',
  )
}

/** Who has refused a WebSocket, and why. */
export function judgeRefusal({ status, code }: UpgradeRefusal): Finding {
  const detail = `HTTP ${status}${code === undefined ? '' : ` ${code}`} instead of a socket`
  if (code === 'connection/origin') {
    return failed(detail, 'the server does not let pages of this origin in', 'add the origin to ALLOWED_ORIGINS')
  }
  if (code === 'connection/stopping') return failed(detail, 'the server is just being stopped', 'try again in a moment')
  if (code !== undefined) return failed(detail, 'a proxy changes the path', 'it must pass /collab on as it is')
  const advice = 'let it pass upgrades on: HTTP/1.1 with the headers Upgrade and Connection'
  return failed(detail, 'a proxy in between does not let WebSockets through', advice)
}

/** A WebSocket failed, and nothing tells why. */
export function blocked({ message, code }: ProbeError): Finding {
  const cause =
    code === undefined
      ? 'a proxy or firewall swallows what WebSockets carry'
      : 'a proxy does not let WebSockets through, or the server refuses this origin'
  return failed(message, cause, '`coweave doctor` outside of a browser tells them apart; clients go on over HTTP')
}
