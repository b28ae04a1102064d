import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { CoweaveError } from '../model/errors.ts'
import { parseKeyRing } from './encryption.ts'
import { openSqliteLog } from './sqlite/sqlite-log.ts'
import { StorageError } from './storage-error.ts'
import type { UpdateLog } from './update-log.ts'

export interface OpenLogOptions {
  /** `sqlite:<file>` */
  readonly url: string
  /** The keys, as in the setting ENCRYPTION_KEY. */
  readonly encryptionKey?: string | undefined
  /** Whether a log that isn't there yet is made, with its folder. */
  readonly create: boolean
  readonly onProblem: (error: Error) => void
}

/**
 * Opens the log that a `DATABASE_URL` names.
 * @throws {StorageError} when it is damaged, missing or encrypted with another key
 */
export async function openLog({ url, encryptionKey, create, onProblem }: OpenLogOptions): Promise<UpdateLog> {
  const [, file] = /^sqlite:(.+)$/.exec(url) ?? []
  if (file === undefined) throw new CoweaveError('config/invalid', `DATABASE_URL=${url}: must be sqlite:<file>`)
  if (create) mkdirSync(dirname(file), { recursive: true })
  else if (!existsSync(file)) throw new StorageError('storage/missing', `there is no database at ${file}`)
  const encryption = encryptionKey === undefined ? {} : { encryption: parseKeyRing(encryptionKey) }
  return openSqliteLog({ file, ...encryption, onProblem })
}
