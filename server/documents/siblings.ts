import * as Y from 'yjs'

/**
 * So many structs of one update may stand in the same gap. Yjs compares each of them with all others there: 5,000 take
 * it about a second, a message full of them would take it hours.
 */
const MAX_SIBLINGS = 5_000

/**
 * Refuses an update that is made to keep Yjs busy. Who types one letter behind the other leaves no two structs between
 * the same neighbours, and neither does who sets one key again and again; it takes as many that wrote at the same time.
 * @throws {Error}
 */
export function checkSiblings(structs: readonly (Y.Item | Y.GC | Y.Skip)[]): void {
  if (structs.length <= MAX_SIBLINGS) return
  const counts = new Map<string, number>()
  for (const struct of structs) {
    if (!(struct instanceof Y.Item)) continue
    const place = placeOf(struct)
    const count = (counts.get(place) ?? 0) + 1
    if (count > MAX_SIBLINGS) throw new Error(`more than ${MAX_SIBLINGS} structs between the same neighbours`)
    counts.set(place, count)
  }
}

function placeOf({ origin, rightOrigin, parent, parentSub }: Y.Item): string {
  const neighbours = `${nameOf(origin)} ${nameOf(rightOrigin)}`
  return origin === null && rightOrigin === null ? `${nameOf(parent)} ${JSON.stringify(parentSub)}` : neighbours
}

function nameOf(reference: unknown): string {
  if (reference instanceof Y.ID) return `${reference.client}:${reference.clock}`
  return typeof reference === 'string' ? JSON.stringify(reference) : '-'
}
