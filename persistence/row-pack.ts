import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'
import { createDecoder, hasContent, readUint8Array, readVarInt, readVarString, readVarUint } from 'lib0/decoding'
import { encode, writeUint8Array, writeVarInt, writeVarString, writeVarUint } from 'lib0/encoding'
import { checksum } from './checksum.ts'
import type { DocumentKey } from './document-record.ts'
import type { KeyRing } from './encryption.ts'
import { type SealContext, type SealedBytes, seal, unseal } from './sealed-bytes.ts'
import { StorageError } from './storage-error.ts'
import type { LogRow } from './update-log.ts'

/** No pack has more rows: whoever looks for the one that has a position relies on it. */
export const MAX_PACK_ROWS = 1_000
/** Nor more than this of updates, and so no row that is longer: bytes that many share compress, those of one don't. */
export const MAX_PACK_BYTES = 64 * 1024
/** Fewer rows of fewer bytes are not worth it: they wait for those that come behind. */
const MIN_PACK_ROWS = 20
const MIN_PACK_BYTES = 16 * 1024
const FORMAT = 1
/** About as small as the best, in a tenth of its time. */
const QUALITY = { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } }
/** Authors, besides the updates: enough for any pack, and a bound for one that is damaged. */
const MAX_PLAIN_BYTES = 256 * 1024 * 1024

/** Rows of a document side by side, as one row of the table of packs. */
export interface SealedPack extends SealedBytes {
  readonly first: number
  readonly last: number
  /** When the first of them was taken. */
  readonly at: number
  readonly checksum: number
}

/** What openPack() takes. */
export const PACK_COLUMNS = 'first, last, at, key, data, checksum'

type PackRange = Pick<SealedPack, 'first' | 'last' | 'at'>

/** What is known of a row without reading it. */
export interface RowSize {
  readonly position: number
  readonly bytes: number
}

/**
 * How many of the first of these rows, which begin anywhere and are in their order, may be one pack; `isWorthIt` tells
 * whether they should be. At least one is counted, which may be too long for any pack.
 */
export function packable(rows: readonly RowSize[]): { readonly count: number; readonly isWorthIt: boolean } {
  let [count, bytes] = [0, 0]
  for (const row of rows) {
    const isNext = count === 0 || row.position === (rows[count - 1]?.position ?? 0) + 1
    if (count > 0 && (!isNext || bytes + row.bytes > MAX_PACK_BYTES || count === MAX_PACK_ROWS)) break
    count += 1
    bytes += row.bytes
  }
  const isWorthIt = bytes <= MAX_PACK_BYTES && count > 1 && (count >= MIN_PACK_ROWS || bytes >= MIN_PACK_BYTES)
  return { count, isWorthIt }
}

/** Rows that follow each other, at least one; compressed, then encrypted. */
export function sealPack(keys: KeyRing | undefined, document: DocumentKey, rows: readonly LogRow[]): SealedPack {
  const [head, tail] = [rows[0], rows.at(-1)]
  if (head === undefined || tail === undefined) throw new TypeError(`${document.name}: a pack without rows`)
  const range = { first: head.position, last: tail.position, at: head.at }
  const sealed = seal(keys, brotliCompressSync(writeRows(rows), QUALITY), context(document, range))
  const pack = { ...range, ...sealed, checksum: packChecksum(document.id, range, sealed) }
  const read = openPack(keys, document, [pack.first, pack.last, pack.at, pack.key, pack.data, pack.checksum])
  // What it is made from is deleted: whatever is wrong, it must be noticed before.
  if (read.length !== rows.length || !read.every((row, index) => isSame(row, rows[index])))
    throw damaged(document, range)
  return pack
}

/**
 * Verifies a row of the table of packs. Returns the rows in it.
 * @throws {StorageError} `storage/corrupt` or `storage/key`, naming the document and the position of the first of them
 */
export function openPack(keys: KeyRing | undefined, document: DocumentKey, values: readonly unknown[]): LogRow[] {
  const [first, last, at, key, data, sum] = values
  if (
    typeof first === 'number' &&
    typeof last === 'number' &&
    typeof at === 'number' &&
    (key === null || typeof key === 'string') &&
    data instanceof Uint8Array
  ) {
    const range = { first, last, at }
    if (packChecksum(document.id, range, { key, data }) === sum) {
      return readRows(document, range, unseal(keys, { key, data }, context(document, range)))
    }
  }
  throw damaged(document, { first, last })
}

/** A pack with rows of one author given to another, and how many; undefined where it has none. @throws as openPack() */
export function disownPack(
  keys: KeyRing | undefined,
  document: DocumentKey,
  values: readonly unknown[],
  { user, pseudonym }: { readonly user: string; readonly pseudonym: string },
): { readonly pack: SealedPack; readonly count: number } | undefined {
  const rows = openPack(keys, document, values)
  const count = rows.filter(({ author }) => author === user).length
  if (count === 0) return undefined
  const given = rows.map((row) => (row.author === user ? { ...row, author: pseudonym } : row))
  return { pack: sealPack(keys, document, given), count }
}

/** When a user's rows in a pack were taken; none for a pack that can't be read, unless `isStrict`. @throws as openPack() */
export function timesInPack(
  keys: KeyRing | undefined,
  document: DocumentKey,
  values: readonly unknown[],
  user: string,
  isStrict = false,
): number[] {
  try {
    const rows = openPack(keys, document, values)
    return rows.filter(({ author }) => author === user).map(({ at }) => at)
  } catch (error) {
    if (!isStrict && error instanceof StorageError) return [] // as rows are, it is counted without being verified
    throw error
  }
}

/** Column by column: what is alike stands together. */
function writeRows(rows: readonly LogRow[]): Uint8Array {
  return encode((encoder) => {
    writeVarUint(encoder, FORMAT)
    let before = 0
    for (const { at } of rows) {
      writeVarInt(encoder, at - before)
      before = at
    }
    const names = new Map<string, number>()
    for (const { author } of rows) {
      const index = names.get(author)
      writeVarUint(encoder, index ?? names.size)
      if (index !== undefined) continue
      names.set(author, names.size)
      writeVarString(encoder, author)
    }
    for (const { data } of rows) writeVarUint(encoder, data.length)
    for (const { data } of rows) writeUint8Array(encoder, data)
  })
}

function readRows(document: DocumentKey, range: PackRange, compressed: Uint8Array): LogRow[] {
  try {
    const decoder = createDecoder(brotliDecompressSync(compressed, { maxOutputLength: MAX_PLAIN_BYTES }))
    if (readVarUint(decoder) !== FORMAT) throw damaged(document, range)
    const positions = Array.from({ length: range.last - range.first + 1 }, (_, index) => range.first + index)
    let before = 0
    const times = positions.map(() => {
      before += readVarInt(decoder)
      return before
    })
    const names: string[] = []
    const authors = positions.map(() => {
      const index = readVarUint(decoder)
      if (index === names.length) names.push(readVarString(decoder))
      return names[index] ?? ''
    })
    const lengths = positions.map(() => readVarUint(decoder))
    const rows = positions.map((position, index) => {
      const data = readUint8Array(decoder, lengths[index] ?? 0)
      return { position, at: times[index] ?? 0, author: authors[index] ?? '', data }
    })
    if (!hasContent(decoder)) return rows
  } catch (cause) {
    throw damaged(document, range, cause)
  }
  throw damaged(document, range)
}

function isSame(row: LogRow, other: LogRow | undefined): boolean {
  return (
    row.position === other?.position &&
    row.at === other.at &&
    row.author === other.author &&
    Buffer.compare(row.data, other.data) === 0
  )
}

function context(document: DocumentKey, { first, last, at }: PackRange): SealContext {
  return { kind: 'pack', document: document.name, position: first, details: [last, at] }
}

function packChecksum(documentId: number, { first, last, at }: PackRange, { key, data }: SealedBytes): number {
  return checksum([documentId, first, last, at], key ?? '', data)
}

function damaged(
  { name }: DocumentKey,
  { first, last }: { readonly first: unknown; readonly last: unknown },
  cause?: unknown,
): StorageError {
  const message = `${name}: the rows at positions ${first} to ${last}, which are packed together, are damaged`
  return new StorageError('storage/corrupt', message, { cause })
}
