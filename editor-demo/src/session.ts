import { recall, remember } from './browser-storage.ts'
import { colorFor, type Identity, ownIdentity, rememberIdentity } from './identity.ts'
import { Store } from './store.ts'

const GIVEN_TOKEN = 'coweave:token'
const RENEW_BEFORE_MS = 30_000

/** Why there is no token. Branch on `reason`: only `unreachable` is worth trying again by itself. */
export class TokenError extends Error {
  override readonly name = 'TokenError'
  readonly reason: 'unreachable' | 'not-demo' | 'refused'

  constructor(reason: TokenError['reason'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

export interface SessionView {
  readonly identity: Identity
  /** Whether the name is ours to change: not where it comes from a token given in the address. */
  readonly canRename: boolean
  /** The server hands out no demo tokens, and none was given in the address. */
  readonly tokenMissing: boolean
}

/** Who is using this page, and the token that proves it to the server. */
export class Session {
  readonly view: Store<SessionView>
  readonly #given: string | undefined
  #current: { readonly token: string; readonly expires: number } | undefined
  #request: Promise<string> | undefined

  constructor() {
    this.#given = givenToken()
    const identity = this.#given === undefined ? ownIdentity() : identityIn(this.#given)
    this.view = new Store<SessionView>({ identity, canRename: this.#given === undefined, tokenMissing: false })
  }

  get identity(): Identity {
    return this.view.get().identity
  }

  /** A token that is good for a while. @throws {TokenError} */
  async token(): Promise<string> {
    if (this.#given !== undefined) return this.#given
    if (this.#current !== undefined && this.#current.expires - Date.now() > RENEW_BEFORE_MS) return this.#current.token
    this.#request ??= this.#fetch(this.identity.name).finally(() => {
      this.#request = undefined
    })
    return this.#request
  }

  /** Makes the next token a new one. Whether that can help: a token given in the address stays the same. */
  forgetToken(): boolean {
    this.#current = undefined
    return this.#given === undefined
  }

  /** Takes another name; resolves once the server has put it into a token. @throws {TokenError} */
  async rename(name: string): Promise<void> {
    await this.#request?.catch(() => {}) // it carries the old name; whoever asked for it hears of its failure
    await this.#fetch(name)
  }

  async #fetch(name: string): Promise<string> {
    const { id, color } = this.identity
    const response = await request(id, name)
    if (response.status === 404) {
      this.view.set({ ...this.view.get(), tokenMissing: true })
      throw new TokenError('not-demo', 'the server hands out no demo tokens')
    }
    if (response.status >= 500) throw new TokenError('unreachable', `the server answered ${response.status}`)
    const answer: unknown = response.ok ? await response.json() : undefined
    if (!isTokenAnswer(answer)) throw new TokenError('refused', `no token for this name (${response.status})`)
    this.#current = { token: answer.token, expires: answer.expires }
    if (answer.user !== id || answer.name !== this.identity.name) {
      const identity = { id: answer.user, name: answer.name, color }
      rememberIdentity(identity)
      this.view.set({ ...this.view.get(), identity })
    }
    return answer.token
  }
}

async function request(user: string, name: string): Promise<Response> {
  try {
    return await fetch('/api/demo/token', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user, name }),
    })
  } catch (cause) {
    throw new TokenError('unreachable', 'the server can’t be reached', { cause })
  }
}

interface TokenAnswer {
  readonly token: string
  readonly user: string
  readonly name: string
  readonly expires: number
}

function isTokenAnswer(answer: unknown): answer is TokenAnswer {
  if (typeof answer !== 'object' || answer === null) return false
  const { token, user, name, expires } = answer as Partial<Record<string, unknown>>
  const texts = [token, user, name].every((text) => typeof text === 'string')
  return texts && typeof expires === 'number'
}

/** The token after `#token=`, taken out of the address so that it isn't copied along with it. */
function givenToken(): string | undefined {
  const token = new URLSearchParams(location.hash.slice(1)).get('token')
  if (token === null || token === '') return recall('session', GIVEN_TOKEN)
  remember('session', GIVEN_TOKEN, token)
  history.replaceState(history.state, '', location.pathname + location.search)
  return token
}

/** Reads, without verifying: this is for showing, the server decides. */
function identityIn(token: string): Identity {
  let claims: Partial<Record<string, unknown>> = {}
  try {
    const part = token.split('.')[1]?.replaceAll('-', '+').replaceAll('_', '/') ?? ''
    const bytes = Uint8Array.from(atob(part), (character) => character.charCodeAt(0))
    const parsed: unknown = JSON.parse(new TextDecoder().decode(bytes))
    if (typeof parsed === 'object' && parsed !== null) claims = parsed
  } catch {
    // Not a JWT: the server will say so, and the page shows that.
  }
  const id = typeof claims.sub === 'string' ? claims.sub : 'unknown'
  return { id, name: typeof claims.name === 'string' ? claims.name : id, color: colorFor(id) }
}
