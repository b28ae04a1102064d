import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, readFile, rm, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { StorageError } from '../../persistence/storage-error.ts'

const CIPHER = 'aes-256-gcm'
const IV_BYTES = 12
const FULL: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT'])

export interface SealedFile {
  readonly path: string
  readonly iv: Buffer
  readonly tag: Buffer
}

/**
 * Files for this process alone, encrypted with a key that is nowhere else: what a crash leaves behind can't be read,
 * and is removed when the folder is opened again, or by LeftFolders.
 */
export class SealedFiles {
  readonly #folder: string
  readonly #key = randomBytes(32)

  /** Empties `folder`. */
  static async open(folder: string): Promise<SealedFiles> {
    const files = new SealedFiles(folder)
    await files.clear()
    return files
  }

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** @throws {StorageError} `storage/full`  @throws what `source` throws; nothing stays then */
  async write(source: AsyncIterable<Buffer>): Promise<SealedFile> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const path = join(this.#folder, randomUUID())
    const iv = randomBytes(IV_BYTES)
    const cipher = createCipheriv(CIPHER, this.#key, iv)
    try {
      await pipeline(source, cipher, createWriteStream(path, { mode: 0o600 }))
    } catch (error) {
      await rm(path, { force: true })
      const isFull = error instanceof Error && 'code' in error && FULL.has(error.code)
      throw isFull ? new StorageError('storage/full', 'no space is left for uploads', { cause: error }) : error
    }
    return { path, iv, tag: cipher.getAuthTag() }
  }

  async read({ path, iv, tag }: SealedFile): Promise<Buffer> {
    const decipher = createDecipheriv(CIPHER, this.#key, iv).setAuthTag(tag)
    return Buffer.concat([decipher.update(await readFile(path)), decipher.final()])
  }

  async remove({ path }: SealedFile): Promise<void> {
    await rm(path, { force: true })
  }

  /** Shows that this process goes on: see LeftFolders. */
  async touch(): Promise<void> {
    const now = new Date()
    await utimes(this.#folder, now, now).catch((error: unknown) => {
      // Without files there is no folder.
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    })
  }

  async clear(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }
}
