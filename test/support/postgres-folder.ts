import { existsSync, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Where Postgres' programs are; Debian keeps them out of the path. */
export function postgresFolder(): string | undefined {
  const versions = '/usr/lib/postgresql'
  const installed = existsSync(versions) ? readdirSync(versions) : []
  const newest = installed
    .sort((left, right) => Number(right) - Number(left))
    .map((version) => join(versions, version, 'bin'))
  const folders = [...newest, ...(process.env.PATH ?? '').split(delimiter)]
  return folders.find((folder) => existsSync(join(folder, 'initdb')))
}
