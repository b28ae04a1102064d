import type { Overview } from './api.ts'

/** One look at the server. */
export interface Sample {
  readonly at: number
  readonly connections: number
  readonly updatesPerSecond: number
  readonly memoryBytes: number
  readonly eventLoopDelay: number
}

/** How many looks charts go back. */
export const MAX_SAMPLES = 120

/** What `overview` adds to the samples before, whose last one was made of `last`. */
export function withSample(samples: readonly Sample[], last: Overview | undefined, overview: Overview): Sample[] {
  const { at, connections, memoryBytes, eventLoopDelay, updates } = overview
  // A server that was started anew counts from 0.
  const isSame = last !== undefined && at > last.at && updates.taken >= last.updates.taken
  const updatesPerSecond = isSame ? ((updates.taken - last.updates.taken) / (at - last.at)) * 1000 : 0
  return [...samples.slice(1 - MAX_SAMPLES), { at, connections, updatesPerSecond, memoryBytes, eventLoopDelay }]
}

/** The least of 1, 2, 5, 10, 20 … that is not below `value`, so that a chart's scale does not jump all the time. */
export function scaleFor(value: number): number {
  if (value <= 1) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 5, 10].map((factor) => factor * power).find((scale) => scale >= value) ?? value
}
