import { createHmac, randomBytes } from 'node:crypto'

const PREFIX = 'whsec_'
/** As Standard Webhooks has it: 24 to 64 bytes. */
const SECRET_BYTES = 32
const [LEAST_BYTES, MOST_BYTES] = [24, 64]

export function newSecret(): string {
  return PREFIX + randomBytes(SECRET_BYTES).toString('base64')
}

/** What is wrong with a secret that somebody chose; undefined if it is all right. */
export function secretProblem(secret: string): string | undefined {
  const bytes = keyOf(secret)
  const isWhole = `${PREFIX}${bytes.toString('base64')}` === secret
  if (isWhole && bytes.length >= LEAST_BYTES && bytes.length <= MOST_BYTES) return undefined
  return `must be ${PREFIX} and ${LEAST_BYTES} to ${MOST_BYTES} bytes in base64`
}

/** The headers of Standard Webhooks (standardwebhooks.com), by which a receiver knows who sent a body, and when. */
export function signedHeaders(secret: string, { id, atS, body }: { id: string; atS: number; body: string }) {
  const signature = createHmac('sha256', keyOf(secret)).update(`${id}.${atS}.${body}`).digest('base64')
  return { 'webhook-id': id, 'webhook-timestamp': `${atS}`, 'webhook-signature': `v1,${signature}` }
}

function keyOf(secret: string): Buffer {
  return Buffer.from(secret.slice(PREFIX.length), 'base64')
}
