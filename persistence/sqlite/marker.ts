import { randomUUID } from 'node:crypto'
import { open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { StorageError } from '../storage-error.ts'
import { markerOf, missing } from './missing-database.ts'

/**
 * A small file beside the database, holding the database's id. Without it a deleted file or a volume that is not
 * mounted would look like a first start, and an empty database would be served in place of everybody's documents.
 */
const Marker = z.object({ database: z.uuid() })

/**
 * The id that the database at `file` must have; undefined when it may be new, or has lost only its marker.
 * @throws {StorageError} `storage/missing` when a marked database is gone or empty
 */
export async function readMarker(file: string): Promise<string | undefined> {
  // In this order, since another process may be making the database: its file comes first, its marker last.
  const text = await readIfThere(markerOf(file))
  const walBytes = await sizeOf(`${file}-wal`)
  const bytes = await sizeOf(file)
  if (text === undefined) {
    // The write-ahead log alone can't be read; SQLite would delete it.
    if (bytes === 0 && walBytes > 0) throw missing(file, `is gone, though ${file}-wal is there`)
    return undefined
  }
  if (bytes === 0) throw missing(file, 'is gone or empty')
  return parseMarker(file, text)
}

/** Writes the marker, durably; nothing if it is there already. */
export async function writeMarker(file: string, database: string): Promise<void> {
  const marker = markerOf(file)
  if ((await readIfThere(marker)) !== undefined) return
  const partial = `${marker}.${randomUUID()}`
  try {
    const handle = await open(partial, 'wx')
    try {
      await handle.writeFile(`${JSON.stringify({ database } satisfies z.infer<typeof Marker>)}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(partial, marker)
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  }
  const folder = await open(dirname(marker), 'r')
  await folder.sync().finally(() => folder.close())
}

function parseMarker(file: string, text: string): string {
  try {
    return Marker.parse(JSON.parse(text)).database
  } catch (cause) {
    const message = `${markerOf(file)} is damaged. If ${file} is the right database, remove the marker and start again`
    throw new StorageError('storage/corrupt', message, { cause })
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if (isMissing(error)) return 0
    throw error
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
