import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { shouldCompact } from '../../persistence/compaction.ts'
import { seed, Typist } from './updates.ts'

const MB = 1024 * 1024

describe('shouldCompact', () => {
  test.each([
    ['a new document', { tailBytes: 0, tailRows: 0, snapshotBytes: 0 }, false],
    ['a short tail', { tailBytes: 200_000, tailRows: 500, snapshotBytes: 0 }, false],
    ['a tail heavier than the least', { tailBytes: 300_000, tailRows: 10, snapshotBytes: 1_000 }, true],
    ['a tail lighter than the snapshot', { tailBytes: 19 * MB, tailRows: 100, snapshotBytes: 20 * MB }, false],
    ['a tail heavier than the snapshot', { tailBytes: 21 * MB, tailRows: 100, snapshotBytes: 20 * MB }, true],
    ['many tiny rows', { tailBytes: 60_000, tailRows: 3_000, snapshotBytes: 10_000 }, true],
    ['many tiny rows on a big snapshot', { tailBytes: 60_000, tailRows: 3_000, snapshotBytes: 20 * MB }, false],
  ])('%s', (_, weight, expected) => {
    expect(shouldCompact(weight)).toBe(expected)
  })
})

/** Edits a document for long and compacts it when it is time; returns what the log and all snapshots weigh. */
function editFor(edits: number, edit: (typist: Typist, index: number) => ReturnType<Typist['type']>) {
  const typist = new Typist('a', 2 ** 31) // a client id of usual length
  let [logBytes, written, tailBytes, tailRows, snapshotBytes, snapshots, longestTail] = [0, 0, 0, 0, 0, 0, 0]
  for (let index = 0; index < edits; index++) {
    const { data } = edit(typist, index)
    logBytes += data.length
    tailBytes += data.length
    tailRows += 1
    longestTail = Math.max(longestTail, tailRows)
    if (!shouldCompact({ tailBytes, tailRows, snapshotBytes })) continue
    snapshotBytes = Y.encodeStateAsUpdate(typist.doc).length
    written += snapshotBytes
    snapshots += 1
    tailBytes = 0
    tailRows = 0
  }
  return { logBytes, written, snapshots, longestTail }
}

describe('all snapshots together weigh no more than three times the log', () => {
  test('typing at one place, which Yjs merges', () => {
    const run = editFor(60_000, (typist, index) => typist.type(index % 80 ? 'x' : '\n'))
    expect(run.snapshots).toBeGreaterThan(10)
    expect(run.written).toBeLessThan(3 * run.logBytes)
  })

  test('typing all over the place, which Yjs can not merge', () => {
    const run = editFor(60_000, (typist, index) => typist.type('x', (index * 7_919) % (index + 1)))
    expect(run.snapshots).toBeGreaterThan(10)
    expect(run.written).toBeLessThan(3 * run.logBytes)
  })

  test('big updates', () => {
    const run = editFor(300, (typist, index) =>
      typist.edit((doc) => doc.getMap('m').set(`${index}`, new Uint8Array(20_000))),
    )
    expect(run.snapshots).toBeGreaterThan(3)
    expect(run.written).toBeLessThan(3 * run.logBytes)
  })

  test('any sizes', () => {
    // The worst that can be: a snapshot holds all that it was made from.
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 200_000 }), { minLength: 1, maxLength: 300 }), (sizes) => {
        let [log, written, tailBytes, tailRows, snapshotBytes] = [0, 0, 0, 0, 0]
        for (const size of sizes) {
          log += size + 20
          tailBytes += size + 20
          tailRows += 1
          if (!shouldCompact({ tailBytes, tailRows, snapshotBytes })) continue
          snapshotBytes += tailBytes
          written += snapshotBytes
          tailBytes = 0
          tailRows = 0
        }
        expect(written).toBeLessThanOrEqual(3 * log)
      }),
      { seed },
    )
  })
})
