import { retryDelayMs } from './back-off.ts'
import { messageOf, RefusedError, TokenRefusedError } from './errors.ts'
import { Latch } from './latch.ts'
import { readClaims } from './token-claims.ts'

const FETCH_TIMEOUT_MS = 30_000
/** A token is renewed so long before it ends, or after two thirds of a short life. */
const RENEW_BEFORE_MS = 60_000
/** A token this young is the newest there is: asking for another one would not help. */
const FRESH_MS = 10_000
const MAX_TIMER_MS = 2 ** 31 - 1

export interface Token {
  readonly text: string
  readonly user: string
  /** How the user is shown. */
  readonly name: string
  /** When to ask for the next one, on this device's clock; undefined where only the server knows. */
  readonly renewAt: number | undefined
  readonly receivedAt: number
}

/** The tokens of one user: asks the app for them, renews them before they end, and keeps other users' out. */
export class Tokens {
  readonly whenUser: Promise<string>
  readonly #fetch: () => Promise<string>
  readonly #onToken: (token: Token) => void
  readonly #userKnown = new Latch<string>()
  #user: string | undefined
  #current: Token | undefined
  #refused: string | undefined
  #request: Promise<Token> | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  /** When the app has taken too long. */
  #deadline: ReturnType<typeof setTimeout> | undefined
  #failures = 0
  #closed = false

  /** `onToken` is called with each new token. */
  constructor(fetchToken: () => Promise<string>, user: string | undefined, onToken: (token: Token) => void) {
    this.#fetch = fetchToken
    this.#onToken = onToken
    this.whenUser = this.#userKnown.promise
    if (user !== undefined) this.#know(user)
  }

  /** Undefined until `user` was given or a first token has told. */
  get user(): string | undefined {
    return this.#user
  }

  /** The last token that came, good or not. */
  get current(): Token | undefined {
    return this.#current
  }

  /**
   * A token that is good for a while, as far as is known.
   * @throws {RefusedError} `unauthorized`, `other-user`; any other error means that none can be had just now
   */
  async get(): Promise<Token> {
    const current = this.#current
    const isGood = current !== undefined && current.text !== this.#refused && !isDue(current)
    return isGood ? current : this.renew()
  }

  /** Asks for a new token. @throws as `get` */
  renew(): Promise<Token> {
    this.#request ??= this.#ask().finally(() => {
      this.#request = undefined
    })
    return this.#request
  }

  /** Marks `text` as one that the server has turned down. */
  refuse(text: string | undefined): void {
    this.#refused = text
  }

  /** The server wants a newer one soon. Returns whether one is asked for: not where the present one has just come. */
  renewSoon(): boolean {
    const current = this.#current
    if (current !== undefined && Date.now() - current.receivedAt < FRESH_MS) return false
    this.#renewInBackground()
    return true
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    clearTimeout(this.#deadline)
  }

  async #ask(): Promise<Token> {
    const token = this.#read(await this.#inTime(this.#text()))
    if (token.text === this.#refused) {
      throw new RefusedError({ reason: 'unauthorized', message: 'the server turned this token down' })
    }
    this.#refused = undefined
    this.#failures = 0
    this.#current = token
    this.#schedule(token)
    if (!this.#closed) this.#onToken(token)
    return token
  }

  async #text(): Promise<string> {
    try {
      return await this.#fetch()
    } catch (cause) {
      if (!(cause instanceof TokenRefusedError)) throw cause
      throw new RefusedError({ reason: 'unauthorized', message: messageOf(cause) }, { cause })
    }
  }

  /** An app that never answers is a network that is away. */
  #inTime(text: Promise<string>): Promise<string> {
    return new Promise((resolve, reject) => {
      clearTimeout(this.#deadline)
      const timeout = setTimeout(() => reject(new Error('no token came in time')), FETCH_TIMEOUT_MS)
      this.#deadline = timeout
      text.then(resolve, reject).finally(() => clearTimeout(timeout))
    })
  }

  #read(text: string): Token {
    const { user, name, expires, issued } = readClaims(text)
    if (user === undefined) throw new RefusedError({ reason: 'unauthorized', message: 'the token names no user (sub)' })
    if (this.#user !== undefined && this.#user !== user) {
      throw new RefusedError({ reason: 'other-user', message: `the token is of another user than ${this.#user}` })
    }
    this.#know(user)
    const receivedAt = Date.now()
    // A clock that is behind must not make it live longer; one far ahead can't tell, the server asks then.
    const lifeMs = expires === undefined ? 0 : expires - Math.max(receivedAt, issued ?? 0)
    const renewAt = lifeMs > 0 ? receivedAt + lifeMs - Math.min(RENEW_BEFORE_MS, lifeMs / 3) : undefined
    return { text, user, name: name ?? user, renewAt, receivedAt }
  }

  #know(user: string): void {
    this.#user = user
    this.#userKnown.resolve(user)
  }

  #schedule({ renewAt }: Token): void {
    clearTimeout(this.#timer)
    if (renewAt !== undefined) this.#renewAfter(renewAt - Date.now())
  }

  #renewAfter(delayMs: number): void {
    clearTimeout(this.#timer)
    if (this.#closed) return
    this.#timer = setTimeout(() => this.#renewInBackground(), Math.min(MAX_TIMER_MS, Math.max(0, delayMs)))
  }

  /** The old token is good until it ends. What the app refuses now is found out then, when it matters. */
  #renewInBackground(): void {
    this.renew().catch((error: unknown) => {
      if (error instanceof RefusedError) return
      this.#failures += 1
      this.#renewAfter(retryDelayMs(this.#failures))
    })
  }
}

function isDue({ renewAt }: Token): boolean {
  return renewAt !== undefined && Date.now() >= renewAt
}
