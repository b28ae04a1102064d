import { CoweaveError } from '../../model/errors.ts'
import type { ImportSource } from './source.ts'
import type { UpdateFolderOptions } from './update-folder.ts'

/**
 * Opens what `--from` names. Only what that one needs is loaded.
 * @throws {CoweaveError} `command/bad-argument` for a kind that is not known; as the sources
 */
export async function openSource(from: string, options: UpdateFolderOptions): Promise<ImportSource> {
  const [, kind, path] = /^(hocuspocus-sqlite|y-leveldb|updates):(.+)$/s.exec(from) ?? []
  if (path === undefined) {
    const problem = `--from ${from}: must be hocuspocus-sqlite:<file>, y-leveldb:<folder> or updates:<folder>`
    throw new CoweaveError('command/bad-argument', problem)
  }
  if (kind === 'updates') {
    const { openUpdateFolder } = await import('./update-folder.ts')
    return await openUpdateFolder(path, options)
  }
  if (kind === 'y-leveldb') {
    const { openYLevelDb } = await import('./y-leveldb.ts')
    return await openYLevelDb(path)
  }
  const { openHocuspocusSqlite } = await import('./hocuspocus-sqlite.ts')
  return await openHocuspocusSqlite(path)
}
