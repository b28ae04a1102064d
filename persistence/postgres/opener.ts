import type { KeyRing } from '../encryption.ts'
import { StorageError } from '../storage-error.ts'
import type { Connections } from './connections.ts'
import { checkKeys, identify, migrate, SCHEMA_VERSION, versionOf } from './schema.ts'
import type { Session } from './session.ts'

export interface OpeningOptions {
  readonly place: string
  readonly keys: KeyRing | undefined
  readonly create: boolean
  readonly onProblem: (error: Error) => void
}

/**
 * Makes the tables or brings them up to date, where that is due, and answers with the database's id. Also when several
 * processes start at once. A role that may not create anything can open what is there.
 * @throws {StorageError} as openPostgresLog()
 */
export async function openDatabase(connections: Connections, options: OpeningOptions): Promise<string> {
  const { place, keys, create, onProblem } = options
  const version = await connections.read(async (session) => {
    await refuseUnfit(session, options)
    return await versionOf(session, place)
  })
  if (version === 0 && !create) throw new StorageError('storage/missing', `there are no tables of Coweave in ${place}`)
  if (version < SCHEMA_VERSION) await connections.write((session) => migrate(session, place))
  return await connections.write(async (session) => {
    const databaseId = await identify(session)
    await checkKeys(session, keys, { databaseId, place })
    const [[fsync] = []] = await session.rows(`SELECT current_setting('fsync')`)
    if (fsync !== 'on') {
      const problem = `${place} runs with fsync = ${fsync}: what is acknowledged does not survive a power cut`
      onProblem(new StorageError('storage/unavailable', problem))
    }
    return databaseId
  })
}

async function refuseUnfit(session: Session, { place }: OpeningOptions): Promise<void> {
  const [[encoding, version] = []] = await session.rows(
    `SELECT current_setting('server_encoding'), current_setting('server_version_num')::int`,
  )
  if (encoding !== 'UTF8') {
    throw new StorageError('storage/unavailable', `${place} has the encoding ${encoding}; make one with UTF8`)
  }
  if (Number(version) < OLDEST_VERSION) {
    throw new StorageError('storage/unavailable', `${place} is Postgres ${version}; Coweave needs 12 or newer`)
  }
}

const OLDEST_VERSION = 12_00_00
