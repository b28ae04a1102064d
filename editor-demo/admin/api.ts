/** What `/api/admin` answers; see docs/admin.md. */
export interface Overview {
  readonly version: string
  readonly at: number
  readonly uptime: number
  readonly connections: number
  readonly users: number
  readonly documents: number
  readonly updates: { readonly taken: number; readonly committed: number }
  readonly waitingBytes: number
  readonly memoryBytes: number
  readonly eventLoopDelay: number
  readonly relay: 'none' | 'up' | 'down'
}

export interface OpenUser {
  readonly user: string
  readonly name: string
  readonly connections: number
  readonly level: string
  readonly isMuted: boolean
}

export interface OpenDocument {
  readonly name: string
  readonly connections: number
  readonly users: readonly OpenUser[]
  readonly elsewhere: readonly string[]
  readonly bytes: number
  readonly position: number
}

export interface LogRow {
  readonly position: number
  readonly at: number
  readonly author: string
  readonly bytes: number
}

export interface DocumentLog {
  readonly name: string
  readonly createdAt: number
  readonly updatedAt: number
  readonly position: number
  readonly forgotten: number
  readonly bytes: number
  readonly snapshot: { readonly position: number; readonly bytes: number }
  readonly deleted?: { readonly at: number; readonly by: string; readonly isErased: boolean }
  readonly open?: OpenDocument
  readonly rows: readonly LogRow[]
  readonly next?: number
}

export interface Restriction {
  readonly kind: 'mute' | 'revocation'
  readonly user: string
  readonly document: string
  readonly at: number
  readonly until?: number
  readonly by: string
}

export interface AdminAction {
  readonly number: number
  readonly at: number
  readonly admin: string
  readonly action: string
  readonly user: string
  readonly document: string
  readonly detail: string
  readonly outcome?: string
}

/** A request that was not answered as it was asked; `status` 0 for no answer. */
export class RequestError extends Error {
  override readonly name = 'RequestError'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** The server's API with an admin's token. Calls reject with RequestError. */
export class AdminClient {
  readonly token: string
  readonly #onRefused: (problem: string) => void

  /** `onRefused` is told that the token does not count any more. */
  constructor(token: string, onRefused: (problem: string) => void) {
    this.token = token
    this.#onRefused = onRefused
  }

  async get<T>(path: string): Promise<T> {
    return await (await this.#ask('GET', path)).json()
  }

  async bytes(path: string): Promise<Uint8Array> {
    return new Uint8Array(await (await this.#ask('GET', path)).arrayBuffer())
  }

  async send(method: 'POST' | 'DELETE', path: string, body?: object): Promise<void> {
    await this.#ask(method, path, body)
  }

  async #ask(method: string, path: string, body?: object): Promise<Response> {
    const headers = { authorization: `Bearer ${this.token}`, ...(body && { 'content-type': 'application/json' }) }
    const response = await fetch(path, { method, headers, ...(body && { body: JSON.stringify(body) }) }).catch(() => {
      throw new RequestError(0, 'The server does not answer.')
    })
    if (response.ok) return response
    const problem = await problemIn(response)
    if (response.status === 401 || problem.code === 'access/not-admin') this.#onRefused(problem.detail)
    throw new RequestError(response.status, problem.detail)
  }
}

export function documentPath(name: string, rest = ''): string {
  return `/api/admin/documents/${encodeURIComponent(name)}${rest}`
}

export function wordsFor(error: unknown): string {
  return error instanceof Error ? error.message : 'It could not be done.'
}

async function problemIn(response: Response): Promise<{ code: string; detail: string }> {
  const unknown = { code: '', detail: `The server answered ${response.status}.` }
  try {
    return { ...unknown, ...(await response.json()) }
  } catch {
    return unknown // something on the way answered, which is no problem of the server's
  }
}
