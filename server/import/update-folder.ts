import type { Dirent } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join, relative, sep } from 'node:path'
import { type Encoding, toV1 } from './encoding.ts'
import { type ImportSource, noSource } from './source.ts'

const UPDATE = /\.(bin|yjs)$/
const NUMBER = /^\d+\.(bin|yjs)$/

export interface UpdateFolderOptions {
  /** Undefined to find out. */
  readonly encoding: Encoding | undefined
  /** What `notes/plan/1.bin` is: an update of `notes/plan`, or a document of its own. */
  readonly numbered: 'updates' | 'documents'
}

/**
 * A folder of Yjs updates. `notes/plan.bin`, or `.yjs`, is the document `notes/plan`, and so are `notes/plan/1.bin`,
 * `notes/plan/2.bin` …; hidden files are left out.
 * @throws {CoweaveError} `import/no-source`
 */
export async function openUpdateFolder(
  folder: string,
  { encoding, numbered }: UpdateFolderOptions,
): Promise<ImportSource> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((cause: unknown) => {
    throw noSource(`there is no folder at ${folder}`, { cause })
  })
  const documents = new Map<string, string[]>()
  const others: { name: string; problem: string }[] = []
  for (const entry of entries) {
    if (entry.isDirectory()) continue
    const path = relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/')
    if (path.split('/').some((segment) => segment.startsWith('.'))) continue
    const problem = problemOf(entry)
    if (problem !== undefined) {
      others.push({ name: path, problem })
      continue
    }
    const isNumbered = numbered === 'updates' && NUMBER.test(entry.name) && path.includes('/')
    const name = isNumbered ? dirname(path) : path.replace(UPDATE, '')
    documents.set(name, [...(documents.get(name) ?? []), path])
  }
  return {
    others,
    names: () => [...documents.keys()].sort(),
    async read(name) {
      const updates: Uint8Array[] = []
      const paths = (documents.get(name) ?? []).sort((one, other) => numberOf(one) - numberOf(other))
      for (const path of paths) {
        try {
          updates.push(toV1(await readFile(join(folder, path)), encoding))
        } catch (cause) {
          throw new Error(`${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
        }
      }
      return updates
    },
    async close() {},
  }
}

function problemOf(entry: Dirent): string | undefined {
  if (!entry.isFile()) return 'it is no file'
  return UPDATE.test(entry.name) ? undefined : 'its name ends neither in .bin nor in .yjs'
}

/** Updates may come in any order, but Yjs is fastest with the one they were made in. */
function numberOf(path: string): number {
  const file = basename(path)
  return NUMBER.test(file) ? Number.parseInt(file, 10) : -1
}
