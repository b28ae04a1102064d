import { createECDH } from 'node:crypto'

/** Which server this is, to push services (RFC 8292). */
export interface Vapid {
  /** Keys of P-256 in base64url: the public one as a point of 65 bytes, the private one of 32. */
  readonly publicKey: string
  readonly privateKey: string
  /** Whom a push service writes to when something is wrong: `mailto:…` or `https://…`. */
  readonly subject: string
}

const CURVE = 'prime256v1'
const BASE64URL = /^[\w-]+$/

/** A new pair. */
export function newVapidKeys(): Pick<Vapid, 'publicKey' | 'privateKey'> {
  const pair = createECDH(CURVE)
  pair.generateKeys()
  // Node leaves zeros in front of a private key out.
  const privateKey = Buffer.concat([Buffer.alloc(32), pair.getPrivateKey()]).subarray(-32)
  return { publicKey: pair.getPublicKey('base64url'), privateKey: privateKey.toString('base64url') }
}

/** Whether it is a point of P-256 in base64url, as VAPID's public key and a browser's are. */
export function isPublicKey(text: string): boolean {
  const point = bytesIn(text)
  if (point?.length !== 65 || point[0] !== 4) return false
  try {
    const other = createECDH(CURVE)
    other.generateKeys()
    other.computeSecret(point)
    return true
  } catch {
    return false
  }
}

/** Whether `privateKey` is that of `publicKey`. */
export function isPair({ publicKey, privateKey }: Pick<Vapid, 'publicKey' | 'privateKey'>): boolean {
  const secret = bytesIn(privateKey)
  if (secret?.length !== 32) return false
  try {
    const pair = createECDH(CURVE)
    pair.setPrivateKey(secret)
    return pair.getPublicKey().equals(Buffer.from(publicKey, 'base64url'))
  } catch {
    return false // such as zero
  }
}

/** The bytes of base64url without padding; undefined for what isn't that. */
export function bytesIn(text: string): Buffer | undefined {
  if (!BASE64URL.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}
