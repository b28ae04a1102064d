import { lstat, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** How long a folder may go without a sign of life: its process touches it every minute. */
const SILENT_MS = 10 * 60_000
/** And where a process has that id: it may be another one by now, or ours that was suspended. */
const SILENT_ALIVE_MS = 24 * 60 * 60_000
const MISSING: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR'])

export interface LeftFoldersOptions {
  readonly parent: string
  /** With what the names of such folders begin, before the id of a process. */
  readonly prefix: string
}

/**
 * Removes the folders of processes that ended without doing so themselves. That no process has the id is not enough: in
 * another container it may have it. So a folder must also have been silent for a while, as that of a process that has just
 * begun isn't; no two processes ever have a folder of the same name.
 */
export class LeftFolders {
  readonly #options: LeftFoldersOptions

  constructor(options: LeftFoldersOptions) {
    this.#options = options
  }

  async remove(): Promise<void> {
    const { parent, prefix } = this.#options
    const now = Date.now()
    for (const name of await namesIn(parent)) {
      if (!name.startsWith(prefix)) continue
      const [id] = /^\d{1,10}(?=-|$)/.exec(name.slice(prefix.length)) ?? []
      if (id === undefined) continue
      const silentMs = await silenceOf(join(parent, name), now)
      if (silentMs < SILENT_MS || (silentMs < SILENT_ALIVE_MS && isRunning(Number(id)))) continue
      await rm(join(parent, name), { recursive: true, force: true })
    }
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

/** How long a folder was not touched, ms; 0 for what is none of our own. */
async function silenceOf(path: string, now: number): Promise<number> {
  try {
    const stats = await lstat(path)
    const isOurs = process.getuid === undefined || process.getuid() === stats.uid
    return stats.isDirectory() && isOurs ? now - stats.mtimeMs : 0
  } catch (error) {
    if (isMissing(error)) return 0 // another process was faster
    throw error
  }
}

function isRunning(id: number): boolean {
  try {
    return process.kill(id, 0)
  } catch (error) {
    // There is one, but somebody else's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && MISSING.has(error.code)
}
