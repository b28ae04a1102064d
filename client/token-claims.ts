/** What a client reads in a token. Nothing of it is verified here: the server decides. */
export interface TokenClaims {
  readonly user: string | undefined
  readonly name: string | undefined
  /** ms since 1970 */
  readonly expires: number | undefined
  /** ms since 1970 */
  readonly issued: number | undefined
}

export function readClaims(token: string): TokenClaims {
  const claims = parse(token)
  const { sub, name, exp, iat } = claims
  return {
    user: typeof sub === 'string' && sub !== '' ? sub : undefined,
    name: typeof name === 'string' ? name : undefined,
    expires: typeof exp === 'number' ? exp * 1000 : undefined,
    issued: typeof iat === 'number' ? iat * 1000 : undefined,
  }
}

function parse(token: string): Partial<Record<string, unknown>> {
  try {
    const part = token.split('.')[1]?.replaceAll('-', '+').replaceAll('_', '/') ?? ''
    const bytes = Uint8Array.from(atob(part), (character) => character.charCodeAt(0))
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes))
    return typeof claims === 'object' && claims !== null ? { ...claims } : {}
  } catch {
    // Not a JWT. Whoever wants to know its user finds none.
    return {}
  }
}
