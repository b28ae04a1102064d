/**
 * What is searched for are words: runs of letters and digits, in lower case and without accents. SQLite makes them by
 * the same rules, as `unicode61 remove_diacritics 2`. For Postgres they are made here and not by Postgres, whose parser and dictionaries depend on the database's locale; for such words the result is
 * that of its configuration "simple".
 */

/** Postgres' own bounds: 2,046 bytes a word, 1 MB for all words of a text, 255 positions of a word. */
const MAX_WORD_LENGTH = 200
const MAX_BYTES = 512 * 1024
const MAX_POSITIONS = 255
const MAX_QUERIED = 16

/** A tsvector of the words of a text, as Postgres reads it. The end of a text of more than about 500 kB is left out. */
export function tsvectorOf(text: string): string {
  const positions = new Map<string, number[]>()
  let [position, bytes] = [0, 0]
  for (const word of wordsOf(text)) {
    position += 1
    const known = positions.get(word)
    bytes += known === undefined ? Buffer.byteLength(word) + 8 : 2
    if (bytes > MAX_BYTES) break
    if (known === undefined) positions.set(word, [position])
    else if (known.length < MAX_POSITIONS) known.push(position)
  }
  return [...positions].map(([word, places]) => `'${word}':${places.join(',')}`).join(' ')
}

/**
 * What a person typed as a tsquery: all words wanted, the last one as a prefix. One such as `well-known` is several,
 * which must then stand side by side. No character of it has a meaning of its own. Undefined when there is no word.
 */
export function tsqueryOf(query: string): string | undefined {
  const phrases = query
    .split(/[\s\p{C}]+/u)
    .map((typed) => wordsOf(typed).slice(0, MAX_QUERIED))
    .filter((words) => words.length > 0)
    .slice(0, MAX_QUERIED)
    .map((words) => words.map((word) => `'${word}'`).join(' <-> '))
  return phrases.length === 0 ? undefined : `${phrases.map((phrase) => `(${phrase}`).join(') & ')}:*)`
}

/** A word of a text, and where it stands there. */
export interface PlacedWord {
  readonly word: string
  readonly from: number
  readonly to: number
}

/** The words of a text, one by one, with their places. */
export function* placedWords(text: string): Generator<PlacedWord, void, undefined> {
  for (const { 0: found, index } of text.matchAll(/[\p{L}\p{N}\p{Co}][\p{L}\p{N}\p{Co}\p{M}]*/gu)) {
    yield { word: shortened(folded(found)), from: index, to: index + found.length }
  }
}

export function wordsOf(text: string): string[] {
  return [...folded(text).matchAll(/[\p{L}\p{N}\p{Co}]+/gu)].map(([word]) => shortened(word))
}

function folded(text: string): string {
  return text
    .toLowerCase()
    .normalize('NFD')
    .replace(/\p{M}+/gu, '')
}

function shortened(word: string): string {
  return word.length <= MAX_WORD_LENGTH
    ? word
    : [...word.slice(0, 2 * MAX_WORD_LENGTH)].slice(0, MAX_WORD_LENGTH).join('')
}
