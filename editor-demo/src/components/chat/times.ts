const DAY_MS = 24 * 60 * 60_000

export function timeOf(at: number): string {
  return new Date(at).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' })
}

export function dayOf(at: number, now = Date.now()): string {
  const day = new Date(at)
  if (day.toDateString() === new Date(now).toDateString()) return 'Today'
  if (day.toDateString() === new Date(now - DAY_MS).toDateString()) return 'Yesterday'
  const isThisYear = day.getFullYear() === new Date(now).getFullYear()
  return day.toLocaleDateString(undefined, {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    ...(isThisYear ? {} : { year: 'numeric' }),
  })
}

export function momentOf(at: number): string {
  return new Date(at).toLocaleString(undefined, { dateStyle: 'long', timeStyle: 'short' })
}
