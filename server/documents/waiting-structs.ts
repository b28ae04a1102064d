import * as Y from 'yjs'
import type { DecodedUpdate } from './check-update.ts'

/**
 * What may wait for structs that have not come before no more is let in, bytes. Yjs puts all of it together anew with
 * each update that must wait too: 8,000 small ones took 3.5 s.
 */
const MAX_WAITING_BYTES = 256 * 1024

/** Whether `document` holds so much that waits that this update, which would wait too, must not join it. */
export function waitsInVain(document: Y.Doc, update: DecodedUpdate): boolean {
  const { pendingStructs, pendingDs } = document.store
  const waiting = (pendingStructs?.update.length ?? 0) + (pendingDs?.length ?? 0)
  return waiting > MAX_WAITING_BYTES && mustWait(document, update)
}

/** Whether anything in the update builds on, or deletes, what neither the document nor the update has. */
function mustWait(document: Y.Doc, { structs, ds, ranges }: DecodedUpdate): boolean {
  const endOf = (client: number) => Math.max(Y.getState(document.store, client), ranges.get(client)?.end ?? 0)
  const isMissing = (reference: unknown) => reference instanceof Y.ID && reference.clock >= endOf(reference.client)
  for (const [client, { start }] of ranges) if (start > Y.getState(document.store, client)) return true
  for (const struct of structs) {
    if (struct instanceof Y.Skip) return true
    if (!(struct instanceof Y.Item)) continue
    if (isMissing(struct.origin) || isMissing(struct.rightOrigin) || isMissing(struct.parent)) return true
  }
  for (const [client, deletions] of ds.clients) {
    const end = endOf(client)
    if (deletions.some(({ clock, len }) => clock + len > end)) return true
  }
  return false
}
