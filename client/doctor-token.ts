import type { Diagnosis } from './doctor.ts'
import type { Finding } from './finding.ts'
import { ProbeError, type ProbeSocket } from './probe-socket.ts'

/** A token, and a document that it should open. */
export interface Credentials {
  readonly token: string
  readonly document: string
  readonly expires: number | undefined
}

/** What can be said of a token without a server. */
export function credentialsOf(options: {
  readonly token?: string | undefined
  readonly document?: string | undefined
}): Credentials | { readonly problem: Diagnosis } {
  const { token } = options
  const check = 'authentication'
  if (token === undefined || token === '') {
    return { problem: { check, ms: 0, outcome: 'skipped', detail: 'no token was given' } }
  }
  const claims = claimsOf(token)
  if (claims === undefined) {
    const detail = 'what was given as a token is no JWT'
    const cause = 'it was cut, quoted, or is another kind of token'
    const advice = 'give the token as clients send it: three parts with dots between them'
    return { problem: { check, ms: 0, outcome: 'failed', detail, cause, advice } }
  }
  const document = options.document ?? documentFor(claims.access)
  return { token, document, expires: typeof claims.exp === 'number' ? claims.exp * 1000 : undefined }
}

/** Asks the server what it says to the token. */
export async function checkAdmission(probe: ProbeSocket, { token, document, expires }: Credentials): Promise<Finding> {
  try {
    await probe.open()
    const admission = await probe.authenticate(document, token)
    if ('denied' in admission) return judgeDenial(admission.denied, document, expires)
    return {
      outcome: 'ok',
      detail: `the token opens ${document}, to ${admission.scope === 'readonly' ? 'read' : 'write'}`,
    }
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error
    const cause = 'the server could not check the token now: the keys of tokens or storage are away'
    return { outcome: 'failed', detail: error.message, cause, advice: "the server's log tells more" }
  }
}

function judgeDenial(reason: string, document: string, expires: number | undefined): Finding {
  const failed = (cause: string, advice: string): Finding => {
    return { outcome: 'failed', detail: `${document} was denied: ${reason}`, cause, advice }
  }
  switch (reason) {
    case 'access/token-expired': {
      const since = expires === undefined ? '' : `, on ${new Date(expires).toISOString()}`
      return failed(`the token has ended${since}, or the server's clock is ahead`, 'get a new token')
    }
    case 'access/token-invalid':
      return failed(
        'it is signed with another key than the server checks with, or its claims are wrong',
        'compare JWT_SECRET, JWT_PUBLIC_KEY or JWKS_URL, JWT_AUDIENCE and JWT_ISSUER with what signs tokens',
      )
    case 'access/no-grant':
      return failed("the token's `access` does not cover this document", 'grant it, or check with another document')
    default:
      return failed('the document can not be opened', "the code says why; the server's log tells more")
  }
}

function claimsOf(token: string): Record<string, unknown> | undefined {
  const [, payload, signature] = token.split('.')
  if (payload === undefined || signature === undefined) return undefined
  try {
    const claims: unknown = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')))
    return typeof claims === 'object' && claims !== null ? { ...claims } : undefined
  } catch {
    return undefined
  }
}

/** The name of a document that fits the first grant: one that nobody uses, where the grant leaves a choice. */
function documentFor(access: unknown): string {
  const [pattern = '**'] = typeof access === 'object' && access !== null ? Object.keys(access) : []
  return pattern.replace(/\*+/g, 'coweave-doctor')
}
