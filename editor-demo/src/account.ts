import { Store, TokenRefusedError } from '../../client/index.ts'
import { recall, remember } from './browser-storage.ts'
import { colorFor, type Identity, ownIdentity, rememberIdentity } from './identity.ts'

const GIVEN_TOKEN = 'coweave:token'

export interface AccountView {
  readonly identity: Identity
  /** Whether the name is ours to change: not where it comes from a token given in the address. */
  readonly canRename: boolean
  /** The server hands out no demo tokens, and none was given in the address. */
  readonly tokenMissing: boolean
}

/** Who is using this page, and where the tokens come from that prove it to the server. */
export class Account {
  readonly view: Store<AccountView>
  readonly #given: string | undefined
  /** One with a new name, which the session has not asked for yet. */
  #renamed: string | undefined

  constructor() {
    this.#given = givenToken()
    const identity = this.#given === undefined ? ownIdentity() : identityIn(this.#given)
    this.view = new Store<AccountView>({ identity, canRename: this.#given === undefined, tokenMissing: false })
  }

  get identity(): Identity {
    return this.view.get().identity
  }

  /** A new token. @throws {TokenRefusedError}, or another error when the server can't be reached */
  async token(): Promise<string> {
    if (this.#given !== undefined) return this.#given
    const token = this.#renamed ?? (await this.#fetch(this.identity.name))
    this.#renamed = undefined
    return token
  }

  /** Takes another name; resolves once the server has put it into a token, which is the next one. @throws as `token` */
  async rename(name: string): Promise<void> {
    this.#renamed = await this.#fetch(name)
  }

  async #fetch(name: string): Promise<string> {
    const { identity } = this
    const response = await fetch('/api/demo/token', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user: identity.id, name }),
    })
    if (response.status === 404) {
      this.view.set({ ...this.view.get(), tokenMissing: true })
      throw new TokenRefusedError('the server hands out no demo tokens')
    }
    if (response.status >= 500 || response.status === 429) throw new Error(`the server answered ${response.status}`)
    const answer: unknown = response.ok ? await response.json() : undefined
    if (!isTokenAnswer(answer)) throw new TokenRefusedError(`no token for this name (${response.status})`)
    if (answer.name !== identity.name) {
      const renamed = { ...identity, name: answer.name }
      rememberIdentity(renamed)
      this.view.set({ ...this.view.get(), identity: renamed })
    }
    return answer.token
  }
}

interface TokenAnswer {
  readonly token: string
  readonly name: string
}

function isTokenAnswer(answer: unknown): answer is TokenAnswer {
  if (typeof answer !== 'object' || answer === null) return false
  const { token, name } = answer as Partial<Record<string, unknown>>
  return typeof token === 'string' && typeof name === 'string'
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
