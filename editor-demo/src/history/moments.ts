import { dayOf, timeOf } from '../components/chat/times.ts'

const WEEK_MS = 7 * 24 * 60 * 60_000

/** “Today 14:02”, “Friday 14:02” within a week, else with the date. */
export function shortMoment(at: number, now = Date.now()): string {
  return `${shortDay(at, now)} ${timeOf(at)}`
}

/** From when to when, on one day as a rule. */
export function spanOf(from: number, to: number, now = Date.now()): string {
  const start = shortMoment(from, now)
  if (timeOf(from) === timeOf(to) && to - from < WEEK_MS / 7) return start
  const isOneDay = new Date(from).toDateString() === new Date(to).toDateString()
  return `${start} – ${isOneDay ? timeOf(to) : shortMoment(to, now)}`
}

function shortDay(at: number, now: number): string {
  const day = dayOf(at, now)
  if (day === 'Today' || day === 'Yesterday') return day
  return now - at < WEEK_MS ? new Date(at).toLocaleDateString(undefined, { weekday: 'long' }) : day
}
