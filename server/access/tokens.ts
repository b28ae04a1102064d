import { createPublicKey, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import jwt from 'jsonwebtoken'
import { z } from 'zod'
import { CloseCode } from '../../model/close-codes.ts'
import { CoweaveError } from '../../model/errors.ts'
import { type Config, isDemo } from '../config.ts'
import { AccessError } from './access-error.ts'
import { levels, type Principal, parseGrant } from './grants.ts'

const MAX_TOKEN_LENGTH = 16 * 1024
const CLOCK_TOLERANCE_S = 5
const JWKS_TIMEOUT_MS = 5_000
/** Tokens that are remembered as good; the oldest go first. */
const MAX_REMEMBERED = 1_000
const MAX_REMEMBERED_LENGTH = 4 * 1024
/** For how long, ms: a key that is no longer good counts so much longer. */
const REMEMBERED_MS = 60_000

export const REVOKED_REASON = 'the token has been revoked: get a new one'

const claims = z.object({
  sub: z.string().min(1).max(255),
  name: z.string().max(255).optional(),
  exp: z.number().optional(),
  iat: z.number().optional(),
  access: z.record(z.string().min(1).max(512), z.enum(levels)).default({}),
  admin: z.boolean().default(false),
  relay: z.boolean().default(false),
  agent: z.boolean().default(false),
})

export interface TokenClaims {
  readonly user: string
  readonly name: string
  readonly access: Readonly<Record<string, (typeof levels)[number]>>
  readonly admin?: boolean
  readonly relay?: boolean
  readonly agent?: boolean
}

type Verification = { keyOf: (token: string) => Promise<jwt.Secret>; algorithms: jwt.Algorithm[] }

/** Whom admins keep from what. */
export interface Restraint {
  isRevoked(principal: Principal): boolean
  /** @throws {AccessError} `access/muted` */
  refuseMuted(user: string, document: string): void
}

interface Remembered {
  readonly principal: Principal
  /** On the clock of `performance`. */
  readonly until: number
}

/** Verifies tokens, and signs them where the server holds the secret. */
export class Tokens {
  readonly #config: Config
  readonly #verification: Verification
  readonly #secret: string | undefined
  /** By the token itself: its signature need not be checked for each document that is opened with it. */
  readonly #remembered = new Map<string, Remembered>()
  #restraint: Restraint | undefined

  /** @throws {CoweaveError} `config/invalid` for a public key that can't be read */
  constructor(config: Config) {
    this.#config = config
    this.#secret = isDemo(config) ? (config.DEMO_SECRET ?? randomBytes(32).toString('base64url')) : config.JWT_SECRET
    this.#verification = this.#secret === undefined ? publicKey(config) : secretKey(this.#secret)
  }

  /**
   * @throws {AccessError} `access/token-missing`, `access/token-invalid`, `access/token-expired`, `access/token-revoked`
   * @throws {CoweaveError} `access/unavailable` when the keys can't be fetched now, which says nothing of the token
   */
  async verify(token: string): Promise<Principal> {
    if (token === '') throw refusal('access/token-missing', 'no token was sent')
    if (token.length > MAX_TOKEN_LENGTH) throw refusal('access/token-invalid', 'the token is too long')
    const principal = this.#rememberedOf(token) ?? this.#remember(token, await this.#principalOf(token))
    this.refuseRevoked(principal)
    return principal
  }

  /** What is remembered of a token that has not ended. */
  #rememberedOf(token: string): Principal | undefined {
    const remembered = this.#remembered.get(token)
    if (remembered === undefined) return undefined
    const { principal, until } = remembered
    if (performance.now() < until && Date.now() < (principal.expires ?? Number.POSITIVE_INFINITY)) return principal
    this.#remembered.delete(token)
    return undefined
  }

  #remember(token: string, principal: Principal): Principal {
    if (token.length > MAX_REMEMBERED_LENGTH) return principal
    this.#remembered.set(token, { principal, until: performance.now() + REMEMBERED_MS })
    const [oldest] = this.#remembered.keys()
    if (this.#remembered.size > MAX_REMEMBERED && oldest !== undefined) this.#remembered.delete(oldest)
    return principal
  }

  async #principalOf(token: string): Promise<Principal> {
    const payload = claims.safeParse(await this.#payload(token))
    if (!payload.success)
      throw refusal('access/token-invalid', `the token's claims are wrong: ${z.prettifyError(payload.error)}`)
    const { sub, name, exp, iat, access, admin, relay, agent } = payload.data
    if (exp === undefined && !isDemo(this.#config)) throw refusal('access/token-invalid', 'the token has no `exp`')
    return {
      user: sub,
      name: name ?? sub,
      grants: Object.entries(access).map(([pattern, level]) => parseGrant(pattern, level)),
      expires: exp === undefined ? undefined : exp * 1000,
      issuedAt: iat === undefined ? undefined : iat * 1000,
      admin,
      relay,
      agent,
    }
  }

  /** From now on tokens count only as far as admins let them. */
  restrain(restraint: Restraint): void {
    this.#restraint = restraint
  }

  /** @throws {AccessError} `access/token-revoked` when an admin has revoked the token, also since it was verified */
  refuseRevoked(principal: Principal): void {
    if (this.#restraint?.isRevoked(principal)) throw refusal('access/token-revoked', REVOKED_REASON)
  }

  /** @throws {AccessError} `access/muted` when an admin lets the user only read the document */
  refuseMuted(user: string, document: string): void {
    this.#restraint?.refuseMuted(user, document)
  }

  /** A signed token that ends after `seconds`. @throws {CoweaveError} `access/no-secret` where only a public key is known */
  sign(content: TokenClaims, seconds: number): string {
    if (this.#secret === undefined)
      throw new CoweaveError('access/no-secret', 'tokens can only be made with JWT_SECRET')
    const { user, ...rest } = content
    const { JWT_AUDIENCE: audience, JWT_ISSUER: issuer } = this.#config
    return jwt.sign(rest, this.#secret, {
      algorithm: 'HS256',
      subject: user,
      expiresIn: seconds,
      ...(audience === undefined ? {} : { audience }),
      ...(issuer === undefined ? {} : { issuer }),
    })
  }

  async #payload(token: string): Promise<unknown> {
    const { JWT_AUDIENCE: audience, JWT_ISSUER: issuer } = this.#config
    const options: jwt.VerifyOptions = {
      algorithms: this.#verification.algorithms,
      clockTolerance: CLOCK_TOLERANCE_S,
      ...(audience === undefined ? {} : { audience }),
      ...(issuer === undefined ? {} : { issuer }),
    }
    const key = await this.#verification.keyOf(token)
    try {
      return jwt.verify(token, key, options)
    } catch (error) {
      if (error instanceof jwt.TokenExpiredError) throw refusal('access/token-expired', 'the token has expired', error)
      // Not always its own error: a payload that is no object makes it throw a TypeError.
      const problem = error instanceof Error ? error.message : String(error)
      throw refusal('access/token-invalid', `the token is not valid: ${problem}`, error)
    }
  }
}

function refusal(code: string, message: string, cause?: unknown): AccessError {
  return new AccessError(code, CloseCode.Unauthorized, message, { cause })
}

/** A key object, since jsonwebtoken first tries each text as a public key, which takes longer than all the rest. */
function secretKey(secret: string): Verification {
  const key = createSecretKey(secret, 'utf8')
  return { keyOf: async () => key, algorithms: ['HS256'] }
}

/** Pins the algorithm to the key, so that a token can't choose one for itself. */
function publicKey(config: Config): Verification {
  if (config.JWKS_URL !== undefined) {
    const keys = keysAt(config.JWKS_URL)
    const keyOf = async (token: string) => {
      const header = jwt.decode(token, { complete: true })?.header
      if (header === undefined) throw refusal('access/token-invalid', 'the token is not valid: jwt malformed')
      const { client, SigningKeyNotFoundError } = await keys
      try {
        return (await client.getSigningKey(header.kid)).getPublicKey()
      } catch (cause) {
        if (cause instanceof SigningKeyNotFoundError)
          throw refusal('access/token-invalid', 'the token is signed with an unknown key', cause)
        throw new CoweaveError('access/unavailable', 'the keys of tokens can not be fetched from JWKS_URL', { cause })
      }
    }
    return { keyOf, algorithms: ['RS256', 'ES256'] }
  }
  const text = config.JWT_PUBLIC_KEY ?? ''
  let key: KeyObject
  try {
    key = createPublicKey(text.includes('-----BEGIN') ? text : readFileSync(text))
  } catch (cause) {
    throw new CoweaveError(
      'config/invalid',
      'wrong settings:\n  JWT_PUBLIC_KEY: must be a public key in PEM, or its file',
      { cause },
    )
  }
  const keyOf = async () => key
  if (key.asymmetricKeyType === 'rsa') return { keyOf, algorithms: ['RS256'] }
  if (key.asymmetricKeyType === 'ec') return { keyOf, algorithms: ['ES256'] }
  throw new CoweaveError('config/invalid', 'wrong settings:\n  JWT_PUBLIC_KEY: must be an RSA or EC (P-256) key')
}

/** Most servers have their key, and don't load what fetches keys. */
async function keysAt(jwksUri: string) {
  const { default: jwksClient, SigningKeyNotFoundError } = await import('jwks-rsa')
  const client = jwksClient({ jwksUri, cache: true, rateLimit: true, timeout: JWKS_TIMEOUT_MS })
  return { client, SigningKeyNotFoundError }
}
