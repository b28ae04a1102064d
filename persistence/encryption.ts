import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { CoweaveError } from '../model/errors.ts'
import { StorageError } from './storage-error.ts'

const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const KEY_ID = /^[A-Za-z0-9_.-]{1,64}$/

/** A key for encryption at rest. The secret is a KeyObject so that no log or dump prints it by accident. */
export interface EncryptionKey {
  readonly id: string
  readonly secret: KeyObject
}

/** The first key encrypts; every key decrypts what was written under its id. */
export type KeyRing = readonly [EncryptionKey, ...EncryptionKey[]]

/**
 * Reads `ENCRYPTION_KEY`: `<id>:<base64 of 32 bytes>[,<id>:<base64>…]`. To rotate, put a new key in front and keep
 * the old ones: rows stay as they were written. Nonces are random, so rotate before 2³² updates under one key.
 * @throws {StorageError} `storage/key`; the message never holds key material
 */
export function parseKeyRing(text: string): KeyRing {
  const [first, ...others] = text.split(',').map((entry) => parseKey(entry.trim()))
  if (first === undefined) throw new StorageError('storage/key', 'ENCRYPTION_KEY is empty')
  const ring: KeyRing = [first, ...others]
  const ids = new Set(ring.map((key) => key.id))
  if (ids.size < ring.length) throw new StorageError('storage/key', 'ENCRYPTION_KEY holds the same key id twice')
  return ring
}

function parseKey(entry: string): EncryptionKey {
  const colon = entry.indexOf(':')
  const id = entry.slice(0, Math.max(colon, 0))
  if (!KEY_ID.test(id)) {
    throw new StorageError('storage/key', 'each ENCRYPTION_KEY entry is <id>:<base64 of 32 bytes>; an id is missing')
  }
  const encoded = entry.slice(colon + 1)
  const bytes = Buffer.from(encoded, 'base64')
  // Buffer.from skips what is not base64; a shortened or misspelt key must not become another key.
  const same = bytes.toString('base64').replace(/=+$/, '') === encoded.replace(/=+$/, '')
  if (bytes.length !== KEY_BYTES || !same) {
    throw new StorageError('storage/key', `ENCRYPTION_KEY "${id}" is not the base64 of ${KEY_BYTES} bytes`)
  }
  return { id, secret: createSecretKey(bytes) }
}

/** The key that bytes were encrypted with. @throws {StorageError} `storage/key` */
export function keyById(keys: KeyRing | undefined, id: string): EncryptionKey {
  const key = keys?.find((candidate) => candidate.id === id)
  if (key !== undefined) return key
  throw new StorageError('storage/key', `encrypted with the key "${id}", which ENCRYPTION_KEY does not hold`)
}

/** Nonce, tag and ciphertext in one. `context` is bound to it: decrypting it elsewhere fails. */
export function encrypt(key: EncryptionKey, plain: Uint8Array, context: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, key.secret, nonce)
  cipher.setAAD(Buffer.from(context))
  const body = cipher.update(plain)
  cipher.final()
  return Buffer.concat([nonce, cipher.getAuthTag(), body])
}

/** The plain bytes, or undefined when key, context or bytes are not those they were encrypted with. */
export function decrypt(key: EncryptionKey, sealed: Uint8Array, context: string): Uint8Array | undefined {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined
  const decipher = createDecipheriv(CIPHER, key.secret, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.from(context))
  decipher.setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
  const plain = decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES))
  try {
    decipher.final()
  } catch {
    return undefined // the only failure here is the tag's
  }
  return new Uint8Array(plain.buffer, plain.byteOffset, plain.length) // not a Buffer: as other bytes of a log are
}

/** Of what can only be searched where it is plain. @throws {CoweaveError} `search/encrypted` */
export function refuseEncrypted(isEncrypted: boolean, what: 'documents' | 'messages' = 'documents'): void {
  if (!isEncrypted) return
  throw new CoweaveError('search/encrypted', `${what} are encrypted at rest, so that they can not be searched`)
}
