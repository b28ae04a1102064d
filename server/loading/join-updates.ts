import * as Y from 'yjs'
import { type Deletions, encodeUpdate, referencesOf, type Struct } from './encode-update.ts'

/**
 * Updates that came one after the other as one. It costs a time that grows with their number alone, unlike Y.mergeUpdates:
 * nothing is put in order that isn't.
 *
 * With `vector`, that of the document before them, it makes sure that nothing in them waits for what has not come.
 * Undefined where something does, or where they overlap.
 */
export function joinUpdates(updates: readonly Uint8Array[], vector?: Uint8Array): Uint8Array | undefined {
  const structs = new Map<number, Struct[]>()
  const deletions: Deletions = new Map()
  const before = vector === undefined ? undefined : Y.decodeStateVector(vector)
  const ends = new Map(before)
  for (const update of updates) {
    const decoded = Y.decodeUpdate(update)
    for (const struct of decoded.structs) {
      const { client, clock } = struct.id
      const end = ends.get(client) ?? (before === undefined ? clock : 0)
      if (struct instanceof Y.Skip || clock !== end) return undefined
      ends.set(client, clock + struct.length)
      const run = structs.get(client)
      if (run === undefined) structs.set(client, [struct])
      else run.push(struct)
    }
    if (before !== undefined && waits(decoded, ends)) return undefined
    for (const [client, ranges] of decoded.ds.clients) {
      const earlier = deletions.get(client)
      if (earlier === undefined) deletions.set(client, [...ranges])
      else for (const range of ranges) earlier.push(range)
    }
  }
  return encodeUpdate(structs, deletions)
}

/** Whether anything builds on, or deletes, what is not below `ends`. */
function waits({ structs, ds }: ReturnType<typeof Y.decodeUpdate>, ends: ReadonlyMap<number, number>): boolean {
  for (const struct of structs) {
    for (const { client, clock } of referencesOf(struct)) if (clock >= (ends.get(client) ?? 0)) return true
  }
  for (const [client, ranges] of ds.clients) {
    const end = ends.get(client) ?? 0
    if (ranges.some(({ clock, len }) => clock + len > end)) return true
  }
  return false
}
