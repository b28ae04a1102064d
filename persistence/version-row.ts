import type { NamedVersion } from '../model/history.ts'
import { checksum } from './checksum.ts'
import type { DocumentKey } from './document-record.ts'
import type { KeyRing } from './encryption.ts'
import { type SealContext, type SealedBytes, seal, unseal } from './sealed-bytes.ts'
import { StorageError } from './storage-error.ts'

/** A version's name as it is stored, with the checksum over all of the row. */
export interface SealedVersion extends SealedBytes {
  readonly checksum: number
}

/** What parseVersion() takes. */
export const VERSION_COLUMNS = 'id, position, author, at, key, data, checksum'

type VersionKey = Omit<NamedVersion, 'name'>

export function sealVersion(keys: KeyRing | undefined, document: DocumentKey, version: NamedVersion): SealedVersion {
  const sealed = seal(keys, Buffer.from(version.name), context(document, version))
  return { ...sealed, checksum: versionChecksum(document, version, sealed) }
}

/** Verifies a row of `versions`. @throws {StorageError} `storage/corrupt` or `storage/key`, naming document and version */
export function parseVersion(
  keys: KeyRing | undefined,
  document: DocumentKey,
  values: readonly unknown[],
): NamedVersion {
  const [id, position, author, at, key, data, sum] = values
  if (
    typeof id === 'string' &&
    typeof position === 'number' &&
    typeof author === 'string' &&
    typeof at === 'number' &&
    (key === null || typeof key === 'string') &&
    data instanceof Uint8Array
  ) {
    const version = { id, position, author, at }
    if (versionChecksum(document, version, { key, data }) === sum) {
      const name = Buffer.from(unseal(keys, { key, data }, context(document, version))).toString()
      return { id, position, name, author, at }
    }
  }
  throw new StorageError('storage/corrupt', `${document.name}: bad checksum of the version ${String(id)}`)
}

function context(document: DocumentKey, { id, position, author, at }: VersionKey): SealContext {
  return { kind: 'version', document: document.name, position, details: [id, author, at] }
}

function versionChecksum(document: DocumentKey, version: VersionKey, { key, data }: SealedBytes): number {
  const { id, position, author, at } = version
  return checksum([document.id, position, at], id, author, key ?? '', data)
}
