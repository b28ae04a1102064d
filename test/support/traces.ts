import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import type * as Y from 'yjs'

/** Position, how many code points are deleted there, and what is inserted. The traces are plain ASCII. */
export type Patch = readonly [position: number, deleted: number, inserted: string]

export interface SequentialTrace {
  readonly startContent: string
  readonly endContent: string
  readonly txns: readonly { readonly patches: readonly Patch[] }[]
}

export interface ConcurrentTransaction {
  /** Indexes of the transactions whose merge is the state that this one was made on. */
  readonly parents: readonly number[]
  readonly agent: number
  readonly patches: readonly Patch[]
}

export interface ConcurrentTrace {
  readonly endContent: string
  readonly numAgents: number
  readonly txns: readonly ConcurrentTransaction[]
}

export const traceFolder =
  process.env.COWEAVE_TRACES ?? join(fileURLToPath(new URL('../..', import.meta.url)), '../shared/traces')

/**
 * Editing traces of real people (github.com/josephg/editing-traces) are not part of the repository. Undefined when
 * there are none: then tests skip with `tracesMissing`.
 */
export function readTrace<Trace extends SequentialTrace | ConcurrentTrace>(name: string): Trace | undefined {
  const file = join(traceFolder, `${name}.json.gz`)
  return existsSync(file) ? JSON.parse(gunzipSync(readFileSync(file)).toString()) : undefined
}

export const tracesMissing = `no editing traces in ${traceFolder}: set COWEAVE_TRACES to their folder`

/** One transaction, as an editor makes one of each edit. */
export function applyPatches(text: Y.Text, patches: readonly Patch[]): void {
  text.doc?.transact(() => {
    for (const [position, deleted, inserted] of patches) {
      if (deleted > 0) text.delete(position, deleted)
      if (inserted !== '') text.insert(position, inserted)
    }
  })
}
