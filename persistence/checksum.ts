import { crc32 } from 'node:zlib'

/**
 * CRC-32 over numbers and byte strings, as a signed 32-bit integer, which databases store in four bytes.
 * Lengths are part of it, so that no byte can move from one field into the next unseen.
 */
export function checksum(numbers: readonly number[], ...fields: readonly (string | Uint8Array)[]): number {
  const header = new Float64Array(numbers.length + fields.length)
  header.set(numbers)
  fields.forEach((field, index) => {
    header[numbers.length + index] = field.length
  })
  let sum = crc32(new Uint8Array(header.buffer))
  for (const field of fields) sum = crc32(field, sum)
  return sum | 0
}
