import * as Y from 'yjs'
import { RangeMap } from './range-map.ts'

type DeleteSet = ReturnType<typeof Y.createDeleteSet>

/** Yjs gives clients ids of 32 bits: an id above them tells what is brought back from what somebody typed beside it. */
const FIRST_CLIENT = 2 ** 32

/** A client id to bring something back with. */
export function newRevivingClient(doc: Y.Doc): number {
  for (;;) {
    const client = FIRST_CLIENT + Math.floor(Math.random() * FIRST_CLIENT)
    if (!doc.store.clients.has(client)) return client
  }
}

/**
 * `deletions` without those of what was brought back by something else than `insertions` and is there now: undone once
 * more, they would bring it back twice.
 */
export function withoutRevived(doc: Y.Doc, deletions: DeleteSet, insertions: DeleteSet): DeleteSet {
  const revived = new RangeMap()
  for (const [client, structs] of doc.store.clients) {
    if (client < FIRST_CLIENT) continue
    for (const [item, original] of copiesIn(structs)) {
      if (item.deleted || Y.isDeleted(insertions, item.id)) continue
      revived.add(original.client, original.clock, original.clock + item.length, 0)
      if (item.content instanceof Y.ContentType) addContents(doc, original, revived)
    }
  }
  const left = Y.createDeleteSet()
  for (const [client, ranges] of deletions.clients) {
    const kept = ranges.flatMap(({ clock, len }) => rangesWithout(revived, client, clock, clock + len))
    if (kept.length > 0) left.clients.set(client, kept)
  }
  return left
}

/** Each item that is a copy, with what it is a copy of: a copy stands right before it, as its right origin tells. */
function* copiesIn(structs: readonly (Y.Item | Y.GC)[]): Generator<[Y.Item, Y.ID], void, undefined> {
  let before: Y.Item | undefined
  let offset = 0
  for (const item of structs) {
    if (!(item instanceof Y.Item) || item.rightOrigin === null || item.parentSub !== null) {
      before = undefined
      continue
    }
    // A copy that was cut up since.
    const goesOn = before !== undefined && Y.compareIDs(before.rightOrigin, item.rightOrigin)
    offset = goesOn ? offset + (before?.length ?? 0) : 0
    before = item
    yield [item, Y.createID(item.rightOrigin.client, item.rightOrigin.clock + offset)]
  }
}

/** All that is in the type at `id`: it was brought back with it. */
function addContents(doc: Y.Doc, id: Y.ID, revived: RangeMap): void {
  const item = Y.getItem(doc.store, id)
  const left = item instanceof Y.Item ? [item] : []
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    revived.add(next.id.client, next.id.clock, next.id.clock + next.length, 0)
    if (!(next.content instanceof Y.ContentType)) continue
    const { _start, _map } = next.content.type
    for (let child = _start; child !== null; child = child.right) left.push(child)
    for (let value of _map.values()) {
      left.push(value)
      while (value.left !== null) {
        value = value.left
        left.push(value)
      }
    }
  }
}

function rangesWithout(revived: RangeMap, client: number, start: number, end: number) {
  const ranges: { clock: number; len: number }[] = []
  for (let clock = start; clock < end; ) {
    const found = revived.at(client, clock)
    const until = Math.min(found.end, end)
    if (found.value === undefined) ranges.push({ clock, len: until - clock })
    clock = until
  }
  return ranges
}
