import { MAX_SAMPLES, scaleFor } from './samples.ts'

interface Props {
  readonly title: string
  /** The oldest first; a chart holds MAX_SAMPLES of them. */
  readonly values: readonly number[]
  readonly format: (value: number) => string
}

const [WIDTH, HEIGHT] = [240, 64]

/** A line from the left to now. What it says is said in words too. */
export function Chart({ title, values, format }: Props) {
  const now = values.at(-1) ?? 0
  const most = Math.max(...values, 0)
  const scale = scaleFor(most)
  const from = MAX_SAMPLES - values.length
  const points = values.map((value, index) => {
    const x = ((from + index) / (MAX_SAMPLES - 1)) * WIDTH
    return `${x.toFixed(1)},${(HEIGHT - (value / scale) * (HEIGHT - 4) - 2).toFixed(1)}`
  })
  const start = ((from / (MAX_SAMPLES - 1)) * WIDTH).toFixed(1)
  return (
    <figure className="chart">
      <figcaption>
        <span>{title}</span>
        <strong>{format(now)}</strong>
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${title}: ${format(now)} now, ${format(most)} at most in the last two minutes`}
      >
        <polygon className="chart-area" points={`${start},${HEIGHT} ${points.join(' ')} ${WIDTH},${HEIGHT}`} />
        <polyline className="chart-line" points={points.join(' ')} />
      </svg>
      <span className="chart-scale" aria-hidden="true">
        {format(scale)}
      </span>
    </figure>
  )
}
