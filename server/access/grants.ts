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
  /** Opens the management API. */
  readonly admin: boolean
  /** May send edits that others' Yjs clients made. */
  readonly relay: boolean
}

export interface Grant {
  readonly pattern: RegExp
  readonly level: Level
}

/** A grant from a token: in `pattern`, `*` stands for one segment and `**` for any rest, also none. */
export function parseGrant(pattern: string, level: Level): Grant {
  const segments = pattern.split('/')
  const source = segments
    .map((segment, index) => {
      const last = index === segments.length - 1
      if (segment === '**') return last ? '.*' : '(?:.*/)?'
      return last ? escapeSegment(segment) : `${escapeSegment(segment)}/`
    })
    .join('')
  return { pattern: new RegExp(`^${source}$`, 'su'), level }
}

/** The highest level that `grants` give for `document`, or undefined for none. */
export function levelFor(grants: readonly Grant[], document: string): Level | undefined {
  let highest = -1
  for (const { pattern, level } of grants) {
    if (pattern.test(document)) highest = Math.max(highest, levels.indexOf(level))
  }
  return levels[highest]
}

/** Whether `level` (or none) includes `needed`. */
export function allows(level: Level | undefined, needed: Level): boolean {
  return level !== undefined && levels.indexOf(level) >= levels.indexOf(needed)
}

function escapeSegment(segment: string): string {
  return segment
    .split('*')
    .map((literal) => literal.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'))
    .join('[^/]+')
}
