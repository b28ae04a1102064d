import { readFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'

/** One line of the table: a figure of ours, and the same of what it is compared with. */
export interface Row {
  readonly measure: string
  readonly ours: number
  readonly theirs: number
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right)
  const middle = Math.floor(sorted.length / 2)
  const [upper = Number.NaN, lower = Number.NaN] = [sorted[middle], sorted[middle - 1]]
  return sorted.length % 2 === 1 ? upper : (upper + lower) / 2
}

/** The value that `part` (0 to 1) of the values are below. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((left, right) => left - right)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}

export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map(
    ({ measure, ours, theirs }) =>
      `| ${measure} | ${figure(ours)} | ${figure(theirs)} | ${(ours / theirs).toFixed(2)} |`,
  )
  return ['| measure | Coweave | compared with | ratio |', '|---|--:|--:|--:|', ...lines].join('\n')
}

export function describeMachine(): string {
  const { version } = JSON.parse(readFileSync(fileURLToPath(new URL('../package.json', import.meta.url)), 'utf8'))
  const processors = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  return `Coweave ${version}, Node ${process.version}, ${processors.length} × ${processors[0]?.model.trim() ?? 'CPU'}, ${memory} GiB`
}

function figure(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3)
}
