/** What a grant allows, each level including those before it. */
export const levels = ['read', 'comment', 'write', 'moderate'] as const
export type Level = (typeof levels)[number]

/** Who a connection acts for, from its token. */
export interface Principal {
  readonly user: string
  readonly name: string
  readonly grants: readonly Grant[]
  /** When the token ends, ms since 1970; undefined for never (demo mode only). */
  readonly expires: number | undefined
  /** When the token was issued, ms since 1970; undefined where it doesn't say. */
  readonly issuedAt?: number | undefined
  /** Opens the management API. */
  readonly admin: boolean
  /** May send edits that others' Yjs clients made. */
  readonly relay: boolean
  /** Is no person but a program that writes: presence says so. */
  readonly agent: boolean
}

export interface Grant {
  readonly matches: (document: string) => boolean
  readonly level: Level
  /** With what the names begin that it matches. */
  readonly prefix: string
}

/** Any one item, and any number of items, in what `fits` compares. */
const ONE = Symbol('one')
const ANY = Symbol('any')

/**
 * A grant from a token: in `pattern`, `*` stands for one segment, or for a part of one, and `**` for any rest, or for
 * any segments in the middle, also none. No regular expression: a name with many `*` in it would stop the server.
 */
export function parseGrant(pattern: string, level: Level): Grant {
  const segments = pattern.split('/').flatMap((segment, index, { length }): SegmentPattern[] => {
    if (segment === '**') return index === length - 1 ? [ONE, ANY] : [ANY]
    return [[...segment].flatMap((letter): (string | Wildcard)[] => (letter === '*' ? [ONE, ANY] : [letter]))]
  })
  return {
    matches: (document) => fits(segments, document.split('/'), fitsSegment),
    level,
    prefix: pattern.split('*', 1).join(),
  }
}

/** The highest level that `grants` give for `document`, or undefined for none. */
export function levelFor(grants: readonly Grant[], document: string): Level | undefined {
  let highest = -1
  for (const { matches, level } of grants) {
    if (matches(document)) highest = Math.max(highest, levels.indexOf(level))
  }
  return levels[highest]
}

/** Whether `level` (or none) includes `needed`. */
export function allows(level: Level | undefined, needed: Level): boolean {
  return level !== undefined && levels.indexOf(level) >= levels.indexOf(needed)
}

type Wildcard = typeof ONE | typeof ANY
type SegmentPattern = Wildcard | readonly (string | Wildcard)[]

function fitsSegment(pattern: readonly (string | Wildcard)[], segment: string): boolean {
  return fits(pattern, [...segment], (letter, other) => letter === other)
}

/** Whether `items` are what `pattern` describes, in time that grows with the product of both lengths at most. */
function fits<Part, Item>(
  pattern: readonly (Part | Wildcard)[],
  items: readonly Item[],
  isSame: (part: Part, item: Item) => boolean,
): boolean {
  let at = 0
  let item = 0
  // Only the last ANY needs to take one more item when the rest doesn't fit.
  let lastAny = -1
  let taken = 0
  while (item < items.length) {
    const part = pattern[at]
    if (part === ANY) {
      lastAny = at
      taken = item
      at += 1
    } else if (at < pattern.length && (part === ONE || isSame(part as Part, items[item] as Item))) {
      at += 1
      item += 1
    } else if (lastAny !== -1) {
      at = lastAny + 1
      taken += 1
      item = taken
    } else {
      return false
    }
  }
  return pattern.slice(at).every((part) => part === ANY)
}
