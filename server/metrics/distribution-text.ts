import type { Distribution } from './distribution.ts'

/** A distribution as a histogram in the text format of Prometheus. */
export function distributionText(name: string, help: string, { bounds, counts, sum }: Distribution): string {
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`]
  let below = 0
  counts.forEach((count, range) => {
    below += count
    lines.push(`${name}_bucket{le="${bounds[range] ?? '+Inf'}"} ${below}`)
  })
  return `\n${lines.join('\n')}\n${name}_sum ${sum}\n${name}_count ${below}\n`
}
