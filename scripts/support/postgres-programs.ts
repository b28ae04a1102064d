import { execFileSync } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
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

/** Makes a database cluster that trusts everybody, in the folder `data`, which is made too. `options` are initdb's. */
export function initializePostgres(data: string, options: readonly string[] = []): void {
  const bin = postgresFolder()
  if (bin === undefined) throw new Error('there is no Postgres')
  const user = unprivilegedUser()
  mkdirSync(data, { recursive: true, mode: 0o700 })
  if (user !== undefined) chownSync(data, user.uid, user.gid)
  const args = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', ...options]
  execFileSync(join(bin, 'initdb'), args, { ...user, cwd: data, stdio: ['ignore', 'ignore', 'inherit'] })
}

/** Whom to run Postgres as, since it refuses to run as root; undefined for the user of this process. */
export function unprivilegedUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const user = ['postgres', 'nobody'].find((name) => idOf('-u', name) !== undefined)
  const [uid, gid] = [idOf('-u', user ?? ''), idOf('-g', user ?? '')]
  if (uid === undefined || gid === undefined) throw new Error('there is no user to run Postgres as')
  return { uid, gid }
}

function idOf(option: string, name: string): number | undefined {
  try {
    return Number(execFileSync('id', [option, name], { stdio: ['ignore', 'pipe', 'ignore'] }).toString())
  } catch {
    return undefined // no such user
  }
}
