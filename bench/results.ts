import { readFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'

/** One line of the table: a figure of ours, and the same of what it is compared with, which is stock Hocuspocus unless said. */
export interface Row {
  readonly measure: string
  readonly ours: number
  readonly theirs: number
  readonly yWebsocket?: number
  /** The floor: a server that only hands on what it gets. */
  readonly bareWs?: number
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
    ({ measure, ours, theirs, yWebsocket, bareWs }) =>
      `| ${measure} | ${figure(ours)} | ${figure(theirs)} | ${ratio(ours, theirs)} | ${figure(yWebsocket)} | ${figure(bareWs)} |`,
  )
  const head = '| measure | Coweave | compared with | ratio | y-websocket | bare ws |'
  return [head, '|---|--:|--:|--:|--:|--:|', ...lines].join('\n')
}

export function describeMachine(): string {
  const { version } = JSON.parse(readFileSync(fileURLToPath(new URL('../package.json', import.meta.url)), 'utf8'))
  const processors = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  return `Coweave ${version}, Node ${process.version}, ${processors.length} × ${processors[0]?.model.trim() ?? 'CPU'}, ${memory} GiB`
}

/** The section of one part, in place of the one it had in `results`; parts stand in the order of `names`. */
export function withSection(results: string, names: readonly string[], name: string, body: string): string {
  const sections = new Map(
    results.split(/^(?=## )/m).flatMap((section): [string, string][] => {
      const [, title] = /^## (\S+)\n/.exec(section) ?? []
      return title === undefined ? [] : [[title, section.trim()]]
    }),
  )
  sections.set(name, `## ${name}\n\n${body}`)
  return `${names.flatMap((known) => sections.get(known) ?? []).join('\n\n')}\n`
}

function ratio(ours: number, theirs: number): string {
  if (Number.isNaN(theirs) || theirs === 0) return '–'
  return (ours / theirs).toFixed(2)
}

function figure(value: number | undefined): string {
  if (value === undefined) return ''
  if (Number.isNaN(value)) return '–'
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3)
}
