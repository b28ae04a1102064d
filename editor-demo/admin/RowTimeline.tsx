import type { LogRow } from './api.ts'
import { bytesText, count, timeText } from './words.ts'

const [WIDTH, HEIGHT] = [600, 56]

/** When rows were written, and how large they are: a stroke each, the higher the larger. The table says it in words. */
export function RowTimeline({ rows }: { readonly rows: readonly LogRow[] }) {
  const [newest, oldest] = [rows.at(0), rows.at(-1)]
  if (newest === undefined || oldest === undefined) return null
  const span = Math.max(1, newest.at - oldest.at)
  const most = Math.max(...rows.map(({ bytes }) => bytes))
  const words = `${count(rows.length, 'row')} from ${timeText(oldest.at)} to ${timeText(newest.at)}, ${bytesText(most)} at most`
  return (
    <svg
      className="timeline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={words}
    >
      {rows.map(({ position, at, bytes }) => {
        const x = 2 + ((at - oldest.at) / span) * (WIDTH - 4)
        // By the logarithm: one paste must not hide what was typed.
        const height = 4 + (Math.log(1 + bytes) / Math.log(1 + most)) * (HEIGHT - 4)
        return <line key={position} x1={x} x2={x} y1={HEIGHT} y2={HEIGHT - height} />
      })}
    </svg>
  )
}
