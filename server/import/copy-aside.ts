import { cp, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { CoweaveError } from '../../model/errors.ts'

export interface Aside {
  readonly folder: string
  remove(): Promise<void>
}

/**
 * Copies files to a temporary folder of their own. A database writes as soon as it is opened: locks, logs, what is left of
 * a crash. Those that are not there are left out.
 * @throws {CoweaveError} `import/source-changes` when somebody writes to them meanwhile
 */
export async function copyAside(files: readonly string[]): Promise<Aside> {
  const folder = await mkdtemp(join(tmpdir(), 'coweave-import-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    const before = await Promise.all(files.map(stampOf))
    for (const [index, file] of files.entries()) {
      if (before[index] !== undefined) await cp(file, join(folder, basename(file)))
    }
    const after = await Promise.all(files.map(stampOf))
    const changed = files.find((_, index) => before[index] !== after[index])
    if (changed !== undefined) {
      const problem = `${changed} changes while it is read: stop the server that writes there, and run it again`
      throw new CoweaveError('import/source-changes', problem)
    }
    return { folder, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

async function stampOf(file: string): Promise<string | undefined> {
  const found = await stat(file, { bigint: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  return found && `${found.size} ${found.mtimeNs} ${found.ino}`
}
