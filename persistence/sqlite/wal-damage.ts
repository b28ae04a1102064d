import { readFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { StorageError } from '../storage-error.ts'

const HEADER_BYTES = 32
const FRAME_HEADER_BYTES = 24
const BIG_ENDIAN_SUMS = 0x377f0683
const LITTLE_ENDIAN_SUMS = 0x377f0682
/** Another process may be writing the log just then: damage is still there a little later. */
const SECOND_LOOK_MS = 200

type Sums = readonly [number, number]

/** @throws {StorageError} `storage/corrupt` when the write-ahead log of the database at `file` is damaged inside */
export async function refuseDamagedWal(file: string): Promise<void> {
  const wal = `${file}-wal`
  if ((await damageIn(wal)) === undefined) return
  await setTimeout(SECOND_LOOK_MS)
  const damage = await damageIn(wal)
  if (damage === undefined) return
  const advice = 'opening the database would drop all commits behind it. Restore a backup; or, to go on without them'
  throw new StorageError('storage/corrupt', `${wal} is damaged: ${damage}; ${advice}, move this file away`)
}

/**
 * Where a write-ahead log is damaged before its end, as a phrase (format: sqlite.org/walformat.html).
 *
 * SQLite takes the first frame whose checksum is wrong for the end of the log and drops all that follows, without a
 * word: right for a torn last transaction, which nobody was told about, and a silent loss for anything else. Each
 * commit is synced before the next transaction begins, so a frame that continues, by its checksum, a commit behind
 * the break was written once that commit was on disk. Left-overs of failed commits don't continue one another. What
 * can't be told from a torn transaction is damage in the last few frames.
 */
async function damageIn(file: string): Promise<string | undefined> {
  const wal = await readIfThere(file)
  if (wal.length <= HEADER_BYTES) return undefined
  const header = parseHeader(wal)
  if (header === undefined) return 'its header is wrong'
  const { pageBytes, bigEndian, salts } = header
  const frameBytes = FRAME_HEADER_BYTES + pageBytes
  let previous = header.sums
  let broken: number | undefined
  let afterCommit = false
  for (let at = HEADER_BYTES, number = 1; at + frameBytes <= wal.length; at += frameBytes, number += 1) {
    const frame = wal.subarray(at, at + FRAME_HEADER_BYTES)
    const page = wal.subarray(at + FRAME_HEADER_BYTES, at + frameBytes)
    const stored: Sums = [frame.readUInt32BE(16), frame.readUInt32BE(20)]
    const isCurrent = salts.equals(frame.subarray(8, 16))
    const continues =
      isCurrent && isSame(sumsOf(page, bigEndian, sumsOf(frame.subarray(0, 8), bigEndian, previous)), stored)
    if (!continues) broken ??= number
    else if (broken !== undefined && afterCommit) return `frame ${broken} is wrong, with commits behind it`
    afterCommit = isCurrent && frame.readUInt32BE(4) !== 0
    previous = stored
  }
  return undefined
}

/** Nothing for a file that is not there: the last process to close the database removes it. */
async function readIfThere(file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}

function parseHeader(wal: Buffer): { pageBytes: number; bigEndian: boolean; salts: Buffer; sums: Sums } | undefined {
  const magic = wal.readUInt32BE(0)
  if (magic !== BIG_ENDIAN_SUMS && magic !== LITTLE_ENDIAN_SUMS) return undefined
  const bigEndian = magic === BIG_ENDIAN_SUMS
  const pageBytes = wal.readUInt32BE(8)
  const sums = sumsOf(wal.subarray(0, 24), bigEndian, [0, 0])
  if (!isSame(sums, [wal.readUInt32BE(24), wal.readUInt32BE(28)])) return undefined
  return { pageBytes, bigEndian, salts: wal.subarray(16, 24), sums }
}

function sumsOf(bytes: Uint8Array, bigEndian: boolean, [first, second]: Sums): Sums {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let a = first
  let b = second
  for (let at = 0; at < bytes.length; at += 8) {
    a = (a + view.getUint32(at, !bigEndian) + b) >>> 0
    b = (b + view.getUint32(at + 4, !bigEndian) + a) >>> 0
  }
  return [a, b]
}

function isSame(left: Sums, right: Sums): boolean {
  return left[0] === right[0] && left[1] === right[1]
}
