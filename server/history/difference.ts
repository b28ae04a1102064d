import * as Y from 'yjs'
import type { Difference } from '../../model/history.ts'
import { applyParts } from '../../persistence/apply-parts.ts'
import { openSource, type Source } from '../documents/source.ts'
import { Authorship } from './authorship.ts'
import { Look } from './look.ts'
import { renderRoots } from './render.ts'

/**
 * What changed from the position `from` to the last row of `source`. From 0, that is who wrote what there is. Otherwise the
 * snapshot must not be above `from`: nobody knows who wrote what is in it, which then has no change.
 * @throws {StorageError} `storage/corrupt`
 */
export function difference(source: Source, from: number): Difference {
  const { document, rows, snapshot } = source
  const doc = openSource(source)
  try {
    const index = rows.findIndex(({ position }) => position > from)
    const split = index === -1 ? rows.length : index
    applyParts(doc, document, rows.slice(0, split))
    const isBlame = snapshot !== undefined && from < snapshot.position
    const inherited = isBlame ? Y.decodeStateVector(Y.encodeStateVector(doc)) : new Map<number, number>()
    const before = isBlame ? Y.emptySnapshot : Y.snapshot(doc)
    applyParts(doc, document, rows.slice(split))
    const authorship = new Authorship()
    for (const row of rows) authorship.add(document, row)
    const look = new Look({ before, inherited, authorship })
    return { from, to: rows.at(-1)?.position ?? snapshot?.position ?? 0, roots: renderRoots(doc, look) }
  } finally {
    doc.destroy()
  }
}

/** As JSON, which has no bytes and no big integers. */
export function differenceJson(result: Difference): string {
  return JSON.stringify(result, (_key, value: unknown) => {
    if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
    return typeof value === 'bigint' ? value.toString() : value
  })
}
