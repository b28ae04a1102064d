import { crc32 } from 'node:zlib'

/** Of how many numbers a header is kept: to make one costs more than the sum. */
const KEPT_NUMBERS = 16
const kept = new Float64Array(KEPT_NUMBERS)
const keptBytes = Array.from({ length: KEPT_NUMBERS + 1 }, (_, count) => new Uint8Array(kept.buffer, 0, count * 8))

/**
 * CRC-32 over numbers and byte strings, as a signed 32-bit integer, which databases store in four bytes.
 * Lengths are part of it, so that no byte can move from one field into the next unseen.
 */
export function checksum(numbers: readonly number[], ...fields: readonly (string | Uint8Array)[]): number {
  const count = numbers.length + fields.length
  const bytes = keptBytes[count]
  const header = bytes === undefined ? new Float64Array(count) : kept
  header.set(numbers)
  for (const [index, field] of fields.entries()) header[numbers.length + index] = field.length
  let sum = crc32(bytes ?? new Uint8Array(header.buffer))
  for (const field of fields) sum = crc32(field, sum)
  return sum | 0
}
