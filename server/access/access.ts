import { CloseCode } from '../../model/close-codes.ts'
import { CoweaveError } from '../../model/errors.ts'
import { AccessError } from './access-error.ts'
import type { Asker, Decisions, RecheckScope } from './decisions.ts'
import { allows, type Level, type Principal } from './grants.ts'
import { askedName, grantedIn, levelToChange } from './levels.ts'
import type { Tokens } from './tokens.ts'

/** How many documents of a list are looked at in one go. */
const BATCH = 100

/** Whom tokens are of, and what they may do: what the token grants or, where a product decides, what the product says. */
export class Access {
  readonly #tokens: Tokens
  readonly #decisions: Decisions | undefined

  constructor(tokens: Tokens, decisions?: Decisions) {
    this.#tokens = tokens
    this.#decisions = decisions
  }

  /** Whether each document may cost a question, so that lists look at fewer at once. */
  get isAsking(): boolean {
    return this.#decisions !== undefined
  }

  /** @throws what Tokens.verify() throws */
  verify(token: string): Promise<Principal> {
    return this.#tokens.verify(token)
  }

  /** @throws what Tokens.refuseMuted() throws */
  refuseMuted(user: string, document: string): void {
    this.#tokens.refuseMuted(user, document)
  }

  /**
   * What `principal` may do in `document` now, or undefined for nothing. With `maxAgeMs`, what was decided longer ago is
   * asked for again.
   * @throws {CoweaveError} `document/bad-name`; `access/unavailable` when the product does not answer
   */
  async levelIn(document: string, principal: Principal, maxAgeMs?: number): Promise<Level | undefined> {
    const asked = this.#asked(document, principal)
    if (asked === undefined) return grantedIn(document, principal)
    return await asked.decisions.level(asked.asker, asked.name, maxAgeMs)
  }

  /** As levelIn(). @throws {AccessError} `access/no-grant` for less than `needed` */
  async need(document: string, principal: Principal, needed: Level): Promise<Level> {
    const level = await this.levelIn(document, principal)
    if (level !== undefined && allows(level, needed)) return level
    throw new AccessError('access/no-grant', CloseCode.Forbidden, `the token does not grant "${needed}" in ${document}`)
  }

  /**
   * Returns if who was let in a while ago may still do `needed` in `document`, by default change it.
   * @throws {AccessError} `access/no-grant`, `access/token-revoked`  @throws {CoweaveError} `access/unavailable`
   */
  async confirm(document: string, principal: Principal, needed = levelToChange(document)): Promise<void> {
    if (this.#decisions !== undefined) await this.need(document, principal, needed)
    this.#tokens.refuseRevoked(principal)
  }

  /**
   * Those of `documents` that `principal` may read; none that has a name of older rules, which nobody can open.
   * @throws {CoweaveError} `access/unavailable`
   */
  async readable(documents: readonly string[], principal: Principal): Promise<Set<string>> {
    const readable = new Set<string>()
    for (let start = 0; start < documents.length; start += BATCH) {
      const batch = documents.slice(start, start + BATCH)
      const levels = await Promise.all(batch.map((name) => this.#levelInListed(name, principal)))
      for (const [index, name] of batch.entries()) if (levels[index] !== undefined) readable.add(name)
    }
    return readable
  }

  /**
   * Whether `user`, of whom no token is at hand, may be told of what happened in `document`. Of a user who belongs to it as
   * far as the server knows, only a product knows more.
   * @throws {CoweaveError} `document/bad-name`, `access/unavailable`
   */
  async mayBeTold(user: string, document: string): Promise<boolean> {
    const name = this.#decisions === undefined ? undefined : askedName(document)
    if (this.#decisions === undefined || name === undefined) return true
    const asker = { user, name: user, admin: false, granted: 'read', isAbsent: true } as const
    return (await this.#decisions.level(asker, name)) !== undefined
  }

  /** How long ago it was asked what `principal` may do in `document`, ms; undefined where nobody is asked. */
  age(document: string, principal: Principal): number | undefined {
    const asked = this.#asked(document, principal)
    return asked?.decisions.age(asked.asker, asked.name)
  }

  /** What the product decided counts no more. */
  forget(scope: RecheckScope): void {
    this.#decisions?.forget(scope)
  }

  #asked(document: string, principal: Principal): { decisions: Decisions; asker: Asker; name: string } | undefined {
    const name = this.#decisions === undefined ? undefined : askedName(document)
    if (this.#decisions === undefined || name === undefined) return undefined
    const { user, name: shown, admin } = principal
    const asker = { user, name: shown, admin, granted: grantedIn(document, principal) }
    return { decisions: this.#decisions, asker, name }
  }

  async #levelInListed(document: string, principal: Principal): Promise<Level | undefined> {
    try {
      return await this.levelIn(document, principal)
    } catch (error) {
      if (error instanceof CoweaveError && error.code === 'document/bad-name') return undefined
      throw error
    }
  }
}
