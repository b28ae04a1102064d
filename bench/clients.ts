import { fork } from 'node:child_process'
import { constants, setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'

interface FailedReport {
  readonly phase: 'failed'
  readonly problem: string
}

/** One process of clients, beside the servers they measure: it is told what to do, and reports what became of it. */
export class Clients<Order extends object, Report extends { readonly phase: string }> {
  readonly #child
  readonly #reports: (Report | FailedReport)[] = []
  #wake = () => {}

  /** `script` stands beside this file. */
  constructor(script: string) {
    this.#child = fork(fileURLToPath(new URL(script, import.meta.url)))
    this.#child.on('message', (report: Report | FailedReport) => this.#take(report))
    this.#child.on('exit', () => this.#take({ phase: 'failed', problem: `the process of ${script} has ended` }))
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Has them stand for a machine of their own: what they do takes no time from the server. */
  yieldCpu(): void {
    if (this.#child.pid !== undefined) setPriority(this.#child.pid, constants.priority.PRIORITY_LOW)
  }

  order(order: Order): void {
    if (this.#child.connected) this.#child.send(order)
  }

  /**
   * Resolves with the next report; with `patienceMs`, if it comes within that time.
   * @throws {Error} when it is not of `phase`, as where the clients failed or have ended
   */
  async next<Phase extends Report['phase']>(
    phase: Phase,
    patienceMs?: number,
  ): Promise<Extract<Report, { readonly phase: Phase }>> {
    const timer = patienceMs === undefined ? undefined : setTimeout(() => this.#child.kill(), patienceMs)
    while (this.#reports.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    clearTimeout(timer)
    const report = this.#reports.shift()
    if (report !== undefined && isPhase<Report, Phase>(report, phase)) return report
    throw new Error(report !== undefined && 'problem' in report ? report.problem : `another report: ${report?.phase}`)
  }

  /** Tells them to do something, and resolves with what they report of it, as next(). */
  obey<Phase extends Report['phase']>(
    order: Order,
    phase: Phase,
    patienceMs?: number,
  ): Promise<Extract<Report, { readonly phase: Phase }>> {
    this.order(order)
    return this.next(phase, patienceMs)
  }

  /** Resolves once the process is gone. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill()
    await exited
  }

  #take(report: Report | FailedReport): void {
    this.#reports.push(report)
    this.#wake()
  }
}

function isPhase<Report extends { readonly phase: string }, Phase extends Report['phase']>(
  report: Report | FailedReport,
  phase: Phase,
): report is Extract<Report, { readonly phase: Phase }> {
  return report.phase === phase
}
