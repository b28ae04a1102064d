/** More comparisons than this are not made: then what stands at the same place belongs together. */
const MAX_COMPARISONS = 10_000

/**
 * Which of `before` became which of `after`, as pairs of their indexes in order: those that `score` likes best together,
 * where it returns undefined for what can't be.
 */
export function pairUp<Old, New>(
  before: readonly Old[],
  after: readonly New[],
  score: (old: Old, now: New) => number | undefined,
): [number, number][] {
  if (before.length * after.length > MAX_COMPARISONS) return inOrder(before, after, score)
  // best[i][j]: what can be had of before[i…] and after[j…].
  const best = Array.from({ length: before.length + 1 }, () => new Float64Array(after.length + 1))
  const scores = before.map((old) => after.map((now) => score(old, now)))
  const at = (i: number, j: number) => best[i]?.[j] ?? 0
  const together = (i: number, j: number) => (scores[i]?.[j] ?? Number.NEGATIVE_INFINITY) + at(i + 1, j + 1)
  for (let i = before.length - 1; i >= 0; i -= 1) {
    for (let j = after.length - 1; j >= 0; j -= 1) {
      const row = best[i]
      if (row !== undefined) row[j] = Math.max(at(i + 1, j), at(i, j + 1), together(i, j))
    }
  }
  const pairs: [number, number][] = []
  for (let i = 0, j = 0; i < before.length && j < after.length; ) {
    if (together(i, j) === at(i, j)) pairs.push([i++, j++])
    else if (at(i + 1, j) === at(i, j)) i += 1
    else j += 1
  }
  return pairs
}

function inOrder<Old, New>(
  before: readonly Old[],
  after: readonly New[],
  score: (old: Old, now: New) => number | undefined,
): [number, number][] {
  const pairs: [number, number][] = []
  let next = 0
  for (const [j, now] of after.entries()) {
    const old = before[next]
    if (old === undefined) break
    if (score(old, now) === undefined) continue
    pairs.push([next, j])
    next += 1
  }
  return pairs
}
