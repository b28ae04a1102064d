import * as Y from 'yjs'
import {
  type Deletions,
  encodeDeletions,
  encodeUpdate,
  NO_DELETIONS,
  referencesOf,
  type Struct,
} from './encode-update.ts'

/** Yjs takes about a microsecond for each: a slice costs a few milliseconds. */
const SLICE_STRUCTS = 2_000
const SLICE_BYTES = 256 * 1024
const SLICE_DELETIONS = 5_000

/** The structs of one client, and how many of them are in slices already. */
interface Run {
  readonly structs: Struct[]
  done: number
  /** Up to which clock they are. */
  clock: number
}

/**
 * Takes a large update apart: applied one after the other, the slices do what it does, and none of them waits for a later
 * one. Yjs takes in an update in one go, which holds up the event loop for seconds if it is large.
 *
 * Undefined for an update in which something waits for others.
 */
export function slicesOf(update: Uint8Array, maxStructs = SLICE_STRUCTS): Uint8Array[] | undefined {
  const { structs, ds } = Y.decodeUpdate(update)
  const runs = runsOf(structs)
  if (runs === undefined) return undefined
  const slices: Uint8Array[] = []
  let slice = new Map<number, Struct[]>()
  let [count, bytes] = [0, 0]
  const cut = () => {
    if (count > 0) slices.push(encodeUpdate(slice, NO_DELETIONS))
    slice = new Map()
    count = 0
    bytes = 0
  }
  const add = (struct: Struct) => {
    const run = slice.get(struct.id.client)
    if (run === undefined) slice.set(struct.id.client, [struct])
    else run.push(struct)
    count += 1
    // What is long here is a text, or bytes: the length of one is at least that of its encoding in characters.
    bytes += struct.length
    if (count >= maxStructs || bytes >= SLICE_BYTES) cut()
  }
  if (!inOrder(runs, add)) return undefined
  cut()
  return [...slices, ...slicesOfDeletions(ds.clients)]
}

function runsOf(structs: readonly Struct[]): Map<number, Run> | undefined {
  const runs = new Map<number, Run>()
  let last: { readonly client: number; readonly run: Run } | undefined
  for (const struct of structs) {
    if (struct instanceof Y.Skip) return undefined
    const { client, clock } = struct.id
    if (last?.client !== client) {
      if (runs.has(client)) return undefined
      last = { client, run: { structs: [], done: 0, clock } }
      runs.set(client, last.run)
    }
    last.run.structs.push(struct)
  }
  return runs
}

/** Hands over each struct behind those it builds on, in the order in which Yjs integrates them. False if one lacks others. */
function inOrder(runs: ReadonlyMap<number, Run>, add: (struct: Struct) => void): boolean {
  /** The run of what a struct builds on that isn't there yet. */
  const missingFor = (struct: Struct): Run | undefined => {
    for (const { client, clock } of referencesOf(struct)) {
      const run = runs.get(client)
      if (run !== undefined && client !== struct.id.client && clock >= run.clock) return run
    }
    return undefined
  }
  for (const first of [...runs].sort(([left], [right]) => right - left).map(([, run]) => run)) {
    const stack = [first]
    for (let run = stack.at(-1); run !== undefined; run = stack.at(-1)) {
      const struct = run.structs[run.done]
      if (struct === undefined) {
        if (run !== first) return false
        break
      }
      const missing = missingFor(struct)
      if (missing !== undefined) {
        if (stack.includes(missing)) return false
        stack.push(missing)
        continue
      }
      add(struct)
      run.done += 1
      run.clock = struct.id.clock + struct.length
      if (run !== first) stack.pop()
    }
  }
  return true
}

function slicesOfDeletions(deletions: Deletions): Uint8Array[] {
  const slices: Uint8Array[] = []
  for (const [client, ranges] of deletions) {
    for (let from = 0; from < ranges.length; from += SLICE_DELETIONS)
      slices.push(encodeDeletions(new Map([[client, ranges.slice(from, from + SLICE_DELETIONS)]])))
  }
  return slices
}
