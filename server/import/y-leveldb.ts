import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import * as Y from 'yjs'
import { CoweaveError } from '../../model/errors.ts'
import { copyAside } from './copy-aside.ts'
import { type ImportSource, noSource } from './source.ts'

/**
 * The folder that y-websocket's server (`YPERSISTENCE`) and others write with y-leveldb, which has to be installed: the
 * server doesn't need it.
 * @throws {CoweaveError} `import/no-source`, `import/source-changes`, `import/not-installed`
 */
export async function openYLevelDb(folder: string): Promise<ImportSource> {
  const { LeveldbPersistence } = await load()
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw noSource(`there is no folder at ${folder}`, { cause })
  })
  // A repair leaves what it could not use in a folder of its own.
  const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name)
  // LevelDB would make a database of any folder.
  if (!files.includes('CURRENT')) throw noSource(`${folder} is no folder of LevelDB: it has no file CURRENT`)
  const aside = await copyAside(files.map((file) => join(folder, file)))
  const levelDb = new LeveldbPersistence(aside.folder)
  const close = async () => {
    await levelDb.destroy()
    await aside.remove()
  }
  const names = await levelDb.getAllDocNames()
  if (names === null) {
    await close()
    throw noSource(`${folder} can't be read by y-leveldb, which has printed why`)
  }
  return {
    others: [],
    names: () => names,
    async read(name) {
      const ydoc = await levelDb.getYDoc(name)
      if (ydoc === null) throw new Error('y-leveldb can’t read it, and has printed why')
      const state = Y.encodeStateAsUpdate(ydoc)
      ydoc.destroy()
      return [state]
    },
    close,
  }
}

async function load() {
  try {
    return await import('y-leveldb')
  } catch (cause) {
    const problem = 'folders of y-leveldb are read with the package y-leveldb: npm install y-leveldb, and run it again'
    throw new CoweaveError('import/not-installed', problem, { cause })
  }
}
