import { type PlacedWord, placedWords, wordsOf } from '../../persistence/words.ts'

/** A part of an excerpt; `marked` where it is a word that was searched for. */
export interface ExcerptPart {
  readonly text: string
  readonly marked?: true
}

/** Of an excerpt, before its words are made whole. */
const LENGTH = 160
/** How far before the first word that is found it begins. */
const BEFORE = 40
/** In which a word at the edge may end. */
const MAX_WORD = 30

/**
 * A short piece of a text where as many of the words of `query` as possible stand close to each other, the first such one;
 * the beginning of the text where none is found.
 */
export function excerptOf(text: string, query: string): ExcerptPart[] {
  const words = wordsOf(query)
  const hits = bestHits(text, words)
  const first = hits[0]?.from ?? 0
  const from = edgeBefore(text, Math.max(0, first - BEFORE))
  const to = edgeAfter(text, Math.max(from + LENGTH, hits.at(-1)?.to ?? 0))
  const parts: ExcerptPart[] = []
  let at = from
  const add = (end: number, marked?: true) => {
    if (end > at) parts.push({ text: text.slice(at, end), ...(marked && { marked }) })
    at = Math.max(at, end)
  }
  for (const hit of hitsIn(text.slice(from, to), words)) {
    add(from + hit.from)
    add(from + hit.to, true)
  }
  add(to)
  return parts
}

interface Hit extends PlacedWord {
  /** The number of the word of the query. */
  readonly nth: number
}

/** The hits within the length of an excerpt that have the most words of the query. */
function bestHits(text: string, words: readonly string[]): readonly Hit[] {
  const wanted = new Set(words).size
  let [best, bestCount]: [readonly Hit[], number] = [[], 0]
  const window: Hit[] = []
  for (const hit of hitsIn(text, words)) {
    window.push(hit)
    while (window[0] !== undefined && hit.to - window[0].from > LENGTH - BEFORE) window.shift()
    const count = new Set(window.map(({ nth }) => words[nth])).size
    if (count <= bestCount) continue
    best = [...window]
    bestCount = count
    if (count === wanted) break
  }
  return best
}

/** Where the words of a query stand in a text; the last one is the beginning of a word. */
function* hitsIn(text: string, words: readonly string[]): Generator<Hit, void, undefined> {
  const exact = new Map(words.map((word, nth) => [word, nth]))
  const last = words.length - 1
  const prefix = words[last]
  for (const placed of placedWords(text)) {
    const nth = exact.get(placed.word) ?? (prefix !== undefined && placed.word.startsWith(prefix) ? last : undefined)
    if (nth !== undefined) yield { ...placed, nth }
  }
}

/** Where the word at `index` begins, if that is near, and never within a character. */
function edgeBefore(text: string, index: number): number {
  if (index === 0) return 0
  const space = text.slice(Math.max(0, index - MAX_WORD), index).search(/\s\S*$/)
  return space === -1 ? whole(text, index) : Math.max(0, index - MAX_WORD) + space + 1
}

function edgeAfter(text: string, index: number): number {
  if (index >= text.length) return text.length
  const space = text.slice(index, index + MAX_WORD).search(/\s/)
  return space === -1 ? whole(text, index) : index + space
}

function whole(text: string, index: number): number {
  const code = text.charCodeAt(index)
  return code >= 0xdc00 && code <= 0xdfff ? index - 1 : index
}
