import { totalmem } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'

const LOOK_MS = 1_000
/** Each look wakes a process that may have nothing else to do. */
const RESOLUTION_MS = 200
const NS_PER_MS = 1e6
/** Of what there is; above it, the next large document may be one too many. */
const MEMORY_SHARE = 0.85

/** How busy the process is. */
export interface Load {
  /** How late the event loop comes to a timer, ms; the median of the last second. */
  readonly delayMs: number
  /** Memory that the process holds, bytes. */
  readonly memoryBytes: number
  /** How much of the heap that V8 may have is in use, 0 to 1. */
  readonly heapShare: number
}

export interface LoadLimits {
  readonly maxDelayMs: number
  /** 0 for 85 % of what the machine, or its container, has. */
  readonly maxMemoryBytes: number
}

/** Tells when the server has enough to do with the connections it has. Looks once a second, so that asking is free. */
export class LoadGuard {
  readonly #limits: LoadLimits
  readonly #measure: () => Load
  readonly #timer: NodeJS.Timeout
  readonly #stop: () => void
  #problem: string | undefined
  #last: Load | undefined

  constructor(limits: LoadLimits, meter: LoadMeter = meterOfProcess()) {
    const maxMemoryBytes = limits.maxMemoryBytes === 0 ? MEMORY_SHARE * availableMemory() : limits.maxMemoryBytes
    this.#limits = { ...limits, maxMemoryBytes }
    this.#measure = meter.measure
    this.#stop = meter.stop
    this.#timer = setInterval(() => this.look(), LOOK_MS)
    this.#timer.unref()
  }

  /** Why no new connections should come; undefined when they may. */
  get problem(): string | undefined {
    return this.#problem
  }

  /** How busy it was when it was last looked. */
  get last(): Load {
    return this.#last ?? { delayMs: 0, memoryBytes: process.memoryUsage.rss(), heapShare: 0 }
  }

  look(): void {
    this.#last = this.#measure()
    const { delayMs, memoryBytes, heapShare } = this.#last
    if (delayMs > this.#limits.maxDelayMs) this.#problem = 'the server is busy'
    else if (memoryBytes > this.#limits.maxMemoryBytes || heapShare > MEMORY_SHARE) {
      this.#problem = 'the server is short of memory'
    } else this.#problem = undefined
  }

  close(): void {
    clearInterval(this.#timer)
    this.#stop()
  }
}

export interface LoadMeter {
  measure(): Load
  stop(): void
}

function meterOfProcess(): LoadMeter {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delays.enable()
  return {
    measure() {
      // It counts from timer to timer.
      const delayMs = Math.max(0, delays.percentile(50) / NS_PER_MS - RESOLUTION_MS)
      delays.reset()
      const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics()
      return { delayMs, memoryBytes: process.memoryUsage.rss(), heapShare: used / limit }
    },
    stop: () => delays.disable(),
  }
}

function availableMemory(): number {
  const constrained = process.constrainedMemory()
  // Without a limit, Linux tells one that no machine has.
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()
}
