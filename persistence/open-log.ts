import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { CoweaveError } from '../model/errors.ts'
import { isPostgresUrl, shownUrl } from './database-url.ts'
import { parseKeyRing } from './encryption.ts'
import type { PortableLog } from './portable-log.ts'
import { StorageError } from './storage-error.ts'

export interface OpenLogOptions {
  /** `sqlite:<file>` or `postgres://…` */
  readonly url: string
  /** The keys, as in the setting ENCRYPTION_KEY. */
  readonly encryptionKey?: string | undefined
  /** Whether a log that isn't there yet is made: a file with its folder, or tables in a database that is there. */
  readonly create: boolean
  readonly onProblem: (error: Error) => void
}

/**
 * Opens the log that a `DATABASE_URL` names. Only what that one needs is loaded.
 * @throws {StorageError} when it is damaged, missing, can't be reached or is encrypted with another key
 * @throws {CoweaveError} `config/invalid` for a URL that can't be read; what is secret in it is not shown
 */
export async function openLog({ url, encryptionKey, create, onProblem }: OpenLogOptions): Promise<PortableLog> {
  const encryption = encryptionKey === undefined ? {} : { encryption: parseKeyRing(encryptionKey) }
  if (isPostgresUrl(url)) {
    const { openPostgresLog } = await import('./postgres/postgres-log.ts')
    return openPostgresLog({ url, create, ...encryption, onProblem })
  }
  const [, file] = /^sqlite:(.+)$/.exec(url) ?? []
  if (file === undefined) {
    const message = `DATABASE_URL=${shownUrl(url)}: must be sqlite:<file> or postgres://<user>:<password>@<host>/<database>`
    throw new CoweaveError('config/invalid', message)
  }
  if (create) mkdirSync(dirname(file), { recursive: true })
  else if (!existsSync(file)) throw new StorageError('storage/missing', `there is no database at ${file}`)
  const { openSqliteLog } = await import('./sqlite/sqlite-log.ts')
  return openSqliteLog({ file, ...encryption, onProblem })
}
