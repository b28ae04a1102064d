import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeRelayMessage, encodeRelayMessage, type RelayMessage } from '../../server/cluster/relay-message.ts'

const self = Uint8Array.from({ length: 16 }, (_, i) => i)
const other = Uint8Array.from({ length: 16 }, (_, i) => 255 - i)
// SEED=… runs a failed test again; fast-check names it.
const settings = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }

const bytes = fc.uint8Array({ maxLength: 300 })
const row = fc.record({
  at: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  author: fc.string({ unit: 'grapheme' }),
  clients: fc.array(fc.nat({ max: Number.MAX_SAFE_INTEGER }), { maxLength: 5 }),
  data: bytes,
})
const message: fc.Arbitrary<RelayMessage> = fc.oneof(
  fc.record({
    kind: fc.constant('updates' as const),
    first: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    rows: fc.array(row, { maxLength: 5 }),
  }),
  fc.record({ kind: fc.constant('stored' as const), last: fc.nat({ max: Number.MAX_SAFE_INTEGER }) }),
  fc.record({ kind: fc.constant('presence' as const), update: bytes }),
  fc.record({ kind: fc.constant('presence-query' as const) }),
  fc.record({ kind: fc.constant('stateless' as const), payload: fc.string({ unit: 'grapheme' }) }),
  fc.record({
    kind: fc.constant('direct' as const),
    to: fc.string({ unit: 'grapheme' }),
    payload: fc.string({ unit: 'grapheme' }),
  }),
)

test('any message is read as it was written, by all but its sender', () => {
  fc.assert(
    fc.property(message, (sent) => {
      const encoded = encodeRelayMessage(other, sent)
      expect(decodeRelayMessage(self, encoded)).toEqual(sent)
      expect(decodeRelayMessage(other, encoded)).toBeUndefined()
    }),
    settings,
  )
})

test('a message that is cut off, or followed by something, is refused, also inside a larger buffer', () => {
  fc.assert(
    fc.property(message, fc.nat(), (sent, at) => {
      const encoded = encodeRelayMessage(other, sent)
      const buffer = new Uint8Array([...encoded, ...encoded])
      const length = at % encoded.length
      expect(() => decodeRelayMessage(self, buffer.subarray(0, length))).toThrow()
      expect(() => decodeRelayMessage(self, buffer.subarray(0, encoded.length + 1))).toThrow()
    }),
    settings,
  )
})

test('anything else is refused, or is a message, and takes no longer for it', () => {
  const flipped = fc.tuple(message, fc.nat(), fc.nat({ max: 255 })).map(([sent, at, byte]) => {
    const encoded = Uint8Array.from(encodeRelayMessage(other, sent))
    encoded[at % encoded.length] = byte
    return encoded
  })
  fc.assert(
    fc.property(fc.oneof(bytes, flipped), (garbage) => {
      let read: RelayMessage | undefined
      try {
        read = decodeRelayMessage(self, garbage)
      } catch (error) {
        expect(error).toBeInstanceOf(Error)
        return
      }
      // What it read can be told on without a loss.
      if (read) expect(decodeRelayMessage(self, encodeRelayMessage(other, read))).toEqual(read)
    }),
    { numRuns: 2_000, ...settings },
  )
})

test('a later version is refused by its number', () => {
  const encoded = encodeRelayMessage(other, { kind: 'presence-query' })
  expect(() => decodeRelayMessage(self, Uint8Array.from([9, ...encoded.subarray(1)]))).toThrow(/version 9/)
})
