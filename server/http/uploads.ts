import { AccessError } from '../access/access-error.ts'
import type { LeftFolders } from './left-folders.ts'
import { HttpError } from './problem.ts'
import type { SealedFile, SealedFiles } from './sealed-files.ts'

/** How long an upload may wait for its next part, and is remembered once it was taken. */
const KEEP_MS = 60 * 60_000
const SWEEP_MS = 60_000
/** Of one user at once. */
const MAX_UPLOADS = 64

export interface UploadPart {
  readonly user: string
  readonly document: string
  /** Chosen by the client, for all parts of one update. */
  readonly upload: string
  /** 1 to `of`. */
  readonly part: number
  readonly of: number
}

interface Upload {
  readonly user: string
  readonly document: string
  readonly of: number
  readonly parts: Map<number, { readonly file: SealedFile; readonly bytes: number }>
  touchedAt: number
  /** Once it was taken, a part that comes again is answered as the last one was. */
  state: 'waiting' | 'taken' | 'dropped'
}

export interface UploadsOptions {
  readonly files: SealedFiles
  /** Of processes that crashed. */
  readonly left: LeftFolders
  /** What all parts of one user have together at most. */
  readonly maxBytes: number
  readonly onProblem: (error: unknown) => void
}

/** Updates on their way up in parts, which wait in files and take no memory. */
export class Uploads {
  readonly #options: UploadsOptions
  readonly #uploads = new Map<string, Upload>()
  readonly #bytesOf = new Map<string, number>()
  readonly #sweeper: NodeJS.Timeout
  /** Whole updates are in memory one after the other. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: UploadsOptions) {
    this.#options = options
    this.#sweeper = setInterval(() => {
      this.#sweep(Date.now() - KEEP_MS)
      options.files.touch().catch(options.onProblem)
      options.left.remove().catch(options.onProblem)
    }, SWEEP_MS)
    this.#sweeper.unref()
    options.left.remove().catch(options.onProblem)
  }

  /**
   * Keeps a part, and with the last one hands the whole update to `take`. Resolves with the numbers of the parts that
   * are still missing: none once `take` is done, then or before. An update that `take` refuses is forgotten; after any
   * other failure the last part may come again.
   * @throws {HttpError} `upload/mismatch`, `upload/too-big`, `upload/too-many`  @throws what `take` throws
   */
  async receive(
    part: UploadPart,
    body: AsyncIterable<Buffer>,
    take: (update: Uint8Array) => Promise<void>,
  ): Promise<readonly number[]> {
    const upload = this.#uploadOf(part)
    if (upload.state === 'waiting') await this.#keep(upload, part.part, body)
    const turn = this.#turn.then(async () => {
      if (upload.state === 'waiting' && missingIn(upload).length === 0) await this.#complete(keyOf(part), upload, take)
    })
    this.#turn = turn.catch(() => {}) // whoever brought the part is told
    await turn
    return upload.state === 'taken' ? [] : missingIn(upload)
  }

  /** Removes all parts. */
  async close(): Promise<void> {
    clearInterval(this.#sweeper)
    await this.#options.files.clear()
  }

  #uploadOf(part: UploadPart): Upload {
    const { user, document, of } = part
    const upload = this.#uploads.get(keyOf(part)) ?? this.#begin(part)
    if (upload.document !== document || upload.of !== of) {
      throw new HttpError(409, 'upload/mismatch', `${user}'s upload is for another document, or has other parts`)
    }
    upload.touchedAt = Date.now()
    return upload
  }

  #begin(part: UploadPart): Upload {
    const { user, document, of } = part
    const others = [...this.#uploads].filter(([, upload]) => upload.user === user)
    if (others.length >= MAX_UPLOADS) {
      const done = others.find(([, { state }]) => state === 'taken')
      if (done === undefined) throw new HttpError(429, 'upload/too-many', `more than ${MAX_UPLOADS} uploads at once`)
      this.#uploads.delete(done[0])
    }
    const upload: Upload = { user, document, of, parts: new Map(), touchedAt: Date.now(), state: 'waiting' }
    this.#uploads.set(keyOf(part), upload)
    return upload
  }

  async #keep(upload: Upload, number: number, body: AsyncIterable<Buffer>): Promise<void> {
    let bytes = 0
    const count = (more: number) => {
      bytes += more
      this.#count(upload.user, more)
    }
    async function* counted() {
      for await (const chunk of body) {
        count(chunk.length)
        yield chunk
      }
    }
    try {
      const file = await this.#options.files.write(counted())
      const replaced = upload.parts.get(number)
      upload.parts.set(number, { file, bytes })
      if (replaced !== undefined) await this.#remove(upload.user, replaced)
      // It ended while this part was on its way.
      if (upload.state !== 'waiting') await this.#removeAll(upload)
    } catch (error) {
      this.#count(upload.user, -bytes)
      throw error
    }
  }

  async #complete(key: string, upload: Upload, take: (update: Uint8Array) => Promise<void>): Promise<void> {
    const parts = [...upload.parts].sort(([one], [other]) => one - other)
    const chunks = await Promise.all(parts.map(([, { file }]) => this.#options.files.read(file)))
    try {
      await take(Buffer.concat(chunks))
      upload.state = 'taken'
    } catch (error) {
      if (!(error instanceof AccessError)) throw error
      this.#drop(key, upload)
      throw error
    }
    await this.#removeAll(upload)
  }

  /** @throws {HttpError} `upload/too-big` */
  #count(user: string, more: number): void {
    const { maxBytes } = this.#options
    const bytes = (this.#bytesOf.get(user) ?? 0) + more
    if (bytes === 0) this.#bytesOf.delete(user)
    else this.#bytesOf.set(user, bytes)
    if (more > 0 && bytes > maxBytes) {
      throw new HttpError(413, 'upload/too-big', `all parts of a user that wait have at most ${maxBytes} bytes`)
    }
  }

  #drop(key: string, upload: Upload): void {
    upload.state = 'dropped'
    this.#uploads.delete(key)
    this.#removeAll(upload).catch(this.#options.onProblem)
  }

  async #removeAll(upload: Upload): Promise<void> {
    const parts = [...upload.parts.values()]
    upload.parts.clear()
    await Promise.all(parts.map((part) => this.#remove(upload.user, part)))
  }

  async #remove(user: string, { file, bytes }: { file: SealedFile; bytes: number }): Promise<void> {
    this.#count(user, -bytes)
    await this.#options.files.remove(file)
  }

  #sweep(deadline: number): void {
    for (const [key, upload] of this.#uploads) {
      if (upload.touchedAt <= deadline) this.#drop(key, upload)
    }
  }
}

function keyOf({ user, upload }: UploadPart): string {
  return `${upload}/${user}`
}

function missingIn({ of, parts }: Upload): number[] {
  return Array.from({ length: of }, (_, index) => index + 1).filter((number) => !parts.has(number))
}
