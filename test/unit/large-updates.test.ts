import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { messagesOf, noAddress } from '../../server/connection/frames.ts'
import { encodeShown } from '../../server/documents/apply-update.ts'
import { WholeAnswer } from '../../server/documents/whole-answer.ts'
import { joinUpdates } from '../../server/loading/join-updates.ts'
import { slicesOf } from '../../server/loading/slices.ts'
import { createRandom } from '../support/random.ts'
import { makeDocument } from '../support/random-document.ts'

const NOTHING = Uint8Array.of(0)
const seeds = [1, 2, 3, 4, 5]

function built(updates: readonly Uint8Array[]): Y.Doc {
  const ydoc = new Y.Doc()
  for (const update of updates) Y.applyUpdate(ydoc, update)
  return ydoc
}

const stateOf = (ydoc: Y.Doc) => Y.encodeStateAsUpdate(ydoc)

/** How finely Yjs keeps what was deleted depends on how it came. */
function expectSame(ydoc: Y.Doc, other: Y.Doc): void {
  const [shown, expected] = [ydoc, other].map((doc) => ({
    text: doc.getText('text').toDelta(),
    xml: doc.getXmlFragment('xml').toString(),
    map: doc.getMap('map').toJSON(),
    array: doc.getArray('array').toJSON(),
  }))
  expect(shown).toEqual(expected)
  expect(Y.equalSnapshots(Y.snapshot(ydoc), Y.snapshot(other))).toBe(true)
}

const waits = ({ store }: Y.Doc) => store.pendingStructs !== null || store.pendingDs !== null
const rowsOf = (seed: number) => makeDocument(createRandom(seed), 120).rows.map(({ data }) => data)

/** Updates of one writer; the second builds on the first. */
function typed(letters: string): Uint8Array[] {
  const updates: Uint8Array[] = []
  const ydoc = new Y.Doc()
  ydoc.on('update', (update: Uint8Array) => updates.push(update))
  for (const letter of letters) ydoc.getText('t').insert(ydoc.getText('t').length, letter)
  return updates
}

describe('taking a large update apart', () => {
  test.each(seeds)('[promise 2] the slices do what it does, and none waits for a later one (seed %i)', (seed) => {
    const whole = stateOf(built(rowsOf(seed)))
    const slices = slicesOf(whole, 7) ?? expect.unreachable()
    expect(slices.length).toBeGreaterThan(5)
    const ydoc = new Y.Doc()
    for (const slice of slices) {
      Y.applyUpdate(ydoc, slice)
      expect(waits(ydoc)).toBe(false)
    }
    expectSame(ydoc, built([whole]))
  })

  test('what builds on something in the document before is taken apart as well', () => {
    const rows = rowsOf(9)
    const before = rows.slice(0, rows.length / 2)
    const vector = Y.encodeStateVector(built(before))
    const rest = joinUpdates(rows.slice(before.length), vector) ?? expect.unreachable()
    const ydoc = built([...before, ...(slicesOf(rest, 3) ?? expect.unreachable())])
    expectSame(ydoc, built(rows))
  })

  test('one with a gap is left as it is', () => {
    const [first = NOTHING, , third = NOTHING] = typed('abc')
    expect(slicesOf(Y.mergeUpdates([first, third]))).toBeUndefined()
  })
})

describe('joining updates', () => {
  test.each(seeds)('[promise 2] gives what they give one after the other (seed %i)', (seed) => {
    const rows = rowsOf(seed)
    const before = rows.slice(0, 10)
    const vector = Y.encodeStateVector(built(before))
    const joined = joinUpdates(rows.slice(10), vector) ?? expect.unreachable()
    expectSame(built([...before, joined]), built(rows))
    expect(joinUpdates(rows.slice(10))).toEqual(joined)
  })

  test('nothing that waits is joined, be it behind a gap, built on what is not there, or a deletion of it', () => {
    const [first = NOTHING, second = NOTHING, third = NOTHING] = typed('abc')
    expect(joinUpdates([first, second, third], NOTHING)).toBeDefined()
    expect(joinUpdates([first, third], NOTHING)).toBeUndefined()
    expect(joinUpdates([second], NOTHING)).toBeUndefined()
    const other = built([first, second, third])
    const news: Uint8Array[] = []
    other.on('update', (update: Uint8Array) => news.push(update))
    other.getText('t').insert(3, 'd')
    other.getText('t').delete(0, 1)
    const [insertion = NOTHING, deletion = NOTHING] = news
    expect(joinUpdates([first, second, insertion], NOTHING)).toBeUndefined()
    expect(joinUpdates([deletion], NOTHING)).toBeUndefined()
    expect(joinUpdates([first, second, third, insertion, deletion], NOTHING)).toBeDefined()
  })
})

describe('the answer to who has nothing', () => {
  const large = new Y.Doc()
  large.getText('t').insert(0, 'x'.repeat(200_000))

  /** A replica that got these frames, and the kinds of their messages. */
  function replicaOf(frames: readonly Buffer[]) {
    const ydoc = new Y.Doc()
    const kinds: number[] = []
    let message = Buffer.alloc(0)
    for (const frame of frames) {
      message = Buffer.concat([message, ...messagesOf(frame)])
      if ((frame[0] ?? 0) < 0x80) continue
      kinds.push(message[1] ?? -1)
      let start = 2
      while ((message[start] ?? 0) >= 0x80) start += 1
      Y.applyUpdate(ydoc, message.subarray(start + 1))
      message = Buffer.alloc(0)
    }
    return { ydoc, kinds }
  }

  test('[promise 2] is encoded once, and holds what came since', () => {
    const document = built([stateOf(large)])
    const answer = new WholeAnswer(noAddress)
    document.on('update', (update: Uint8Array) => answer.add(update))
    let encoded = 0
    const ask = () =>
      replicaOf(
        answer.framesFor(noAddress, () => {
          encoded += 1
          return encodeShown(document, NOTHING)
        }),
      )
    expect(stateOf(ask().ydoc)).toEqual(stateOf(document))
    for (const letter of 'abc') {
      document.getText('t').insert(0, letter)
      document.getText('t').delete(10, 1)
      const { ydoc, kinds } = ask()
      expect(stateOf(ydoc)).toEqual(stateOf(document))
      // Whoever was told that this is all has it all.
      expect(kinds.filter((kind) => kind === 1)).toHaveLength(1)
      expect(kinds.at(-1)).toBe(1)
    }
    expect(encoded).toBe(1)
    document.getText('t').insert(0, 'y'.repeat(150_000))
    expect(stateOf(ask().ydoc)).toEqual(stateOf(document))
    expect(encoded).toBe(2)
  })

  test('goes on from a position of the log only where it began there', () => {
    const answer = new WholeAnswer(noAddress, { position: 7, frames: [] })
    expect(answer.framesSince(7, noAddress)).toEqual([])
    expect(answer.framesSince(6, noAddress)).toBeUndefined()
    expect(new WholeAnswer(noAddress).framesSince(7, noAddress)).toBeUndefined()
  })
})
