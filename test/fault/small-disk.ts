import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../support/server.ts'

/** Somewhere to put a database where space can run out and come back. */
export interface SmallDisk {
  readonly kind: string
  readonly folder: string
  /** What to run the server under. */
  readonly wrapper: readonly string[]
  /** From now on no file gets any bigger. `pid`: the server's. */
  fill(pid: number): void
  free(pid: number): void
  remove(): void
}

/** A tmpfs where this user may mount one; or else a limit on the size of the server's files. Both are the real thing. */
export function makeSmallDisk(): SmallDisk {
  return process.env.NO_MOUNT === undefined ? (mountTmpfs() ?? limitFileSize()) : limitFileSize()
}

function mountTmpfs(): SmallDisk | undefined {
  const folder = temporaryFolder()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'coweave-test', folder], { stdio: 'pipe' })
  } catch {
    return undefined // not permitted, as for most users: there is another way
  }
  const ballast = join(folder, 'ballast')
  return {
    kind: 'a full tmpfs',
    folder,
    wrapper: [],
    fill: () => writeUntilFull(ballast),
    free: () => rmSync(ballast),
    remove: () => execFileSync('umount', ['--lazy', folder]), // a server that a failed test left is still on it
  }
}

function writeUntilFull(file: string): void {
  const descriptor = openSync(file, 'a')
  try {
    for (let size = 64 * 1024; size > 0; ) {
      try {
        writeSync(descriptor, Buffer.alloc(size))
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
        size = Math.floor(size / 2)
      }
    }
  } finally {
    closeSync(descriptor)
  }
}

function limitFileSize(): SmallDisk {
  const folder = temporaryFolder()
  const limit = (pid: number, bytes: string) =>
    execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:unlimited`])
  return {
    kind: 'a file size limit',
    folder,
    // Without a handler for the signal, a write beyond the limit is an error and not the end.
    wrapper: ['sh', '-c', 'trap "" XFSZ; exec "$@"', 'sh'],
    fill(pid) {
      const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size)
      limit(pid, String(Math.max(...sizes)))
    },
    free: (pid) => limit(pid, 'unlimited'),
    remove: () => {},
  }
}
