const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** How long ago, as short as it can be said; a date after a week. */
export function age(at: number, now: number): string {
  const passed = Math.max(0, now - at)
  if (passed < MINUTE) return 'now'
  if (passed < HOUR) return `${Math.floor(passed / MINUTE)} min`
  if (passed < DAY) return `${Math.floor(passed / HOUR)} h`
  if (passed < 7 * DAY) return `${Math.floor(passed / DAY)} d`
  return new Date(at).toLocaleDateString(undefined, { day: 'numeric', month: 'short' })
}

const units = [
  ['day', DAY],
  ['hour', HOUR],
  ['minute', MINUTE],
] as const
const relative = new Intl.RelativeTimeFormat('en')

/** How long ago, in words: “just now”, “5 minutes ago”; a date after a week. */
export function ago(at: number, now: number): string {
  const passed = Math.max(0, now - at)
  if (passed >= 7 * DAY)
    return new Date(at).toLocaleDateString('en', { day: 'numeric', month: 'long', year: 'numeric' })
  const [unit, length] = units.find(([, length]) => passed >= length) ?? []
  return unit === undefined ? 'just now' : relative.format(-Math.floor(passed / length), unit)
}
