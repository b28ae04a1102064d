import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'

const RESTART_MS = 500

export interface ProgramOptions {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly environment?: NodeJS.ProcessEnv
  /** Whom to run it as, if not this process' user. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined
  readonly folder: string
  /** Where its output goes. */
  readonly logFile: string
  /** What asks it to end. */
  readonly stopSignal: NodeJS.Signals
  /** Called when it has ended by itself, and when it runs again. */
  readonly onChange: (change: string) => void
}

/** A program that is started again whenever it ends, until stop(). */
export class Program {
  readonly #options: ProgramOptions
  #child: ChildProcess | undefined
  #stopping = false

  constructor(options: ProgramOptions) {
    this.#options = options
    this.#start()
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Asks it to end, and resolves once it has. */
  async stop(): Promise<void> {
    this.#stopping = true
    const child = this.#child
    if (child === undefined) return
    const exited = once(child, 'exit')
    child.kill(this.#options.stopSignal)
    await exited
  }

  /** Ends it without asking. */
  kill(): void {
    this.#stopping = true
    this.#child?.kill('SIGKILL')
  }

  #start(): void {
    const { command, args, environment = process.env, user = {}, folder, logFile } = this.#options
    const log = openSync(logFile, 'a')
    // A group of its own: Ctrl-C in a terminal reaches this process alone, which ends the programs in their order.
    const child = spawn(command, args, {
      ...user,
      env: environment,
      cwd: folder,
      detached: true,
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    this.#child = child
    child.on('exit', (code, signal) => this.#ended(signal ?? `exit code ${code}`))
  }

  #ended(how: string): void {
    this.#child = undefined
    if (this.#stopping) return
    const { name, onChange } = this.#options
    onChange(`${name} has ended (${how}) and is started again`)
    setTimeout(() => {
      if (this.#stopping) return
      this.#start()
      onChange(`${name} runs again, pid ${this.pid}`)
    }, RESTART_MS)
  }
}
