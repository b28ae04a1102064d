import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

/** A process of its own, running one of the scripts in children/. */
export interface Child {
  readonly pid: number
  /** Each line it writes; ends when it does. */
  readonly lines: AsyncIterableIterator<string>
  say(line: string): void
  /** Ends its input. */
  end(): void
  /** kill -9: it gets no chance to finish anything. */
  kill(): Promise<void>
  /** Resolves with its exit code and whatever it said on stderr. */
  readonly exited: Promise<{ code: number | null; stderr: string }>
}

export function startChild(script: string, ...args: readonly string[]): Child {
  const path = fileURLToPath(new URL(`./children/${script}.ts`, import.meta.url))
  const process_: ChildProcess = spawn(process.execPath, [path, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  const { pid, stdin, stdout, stderr } = process_
  if (pid === undefined || stdin === null || stdout === null || stderr === null)
    throw new Error(`${path} did not start`)
  let complaints = ''
  stderr.on('data', (chunk) => {
    complaints += chunk
  })
  const exited = once(process_, 'exit').then(([code]) => ({ code, stderr: complaints }))
  onTestFinished(async () => {
    process_.kill('SIGKILL')
    await exited // before its folder is removed
  })
  return {
    pid,
    lines: createInterface(stdout)[Symbol.asyncIterator](),
    say: (line) => stdin.write(`${line}\n`),
    end: () => stdin.end(),
    async kill() {
      process_.kill('SIGKILL')
      await exited
    },
    exited,
  }
}

/** The next line, which must come. */
export async function nextLine({ lines, exited }: Child): Promise<string> {
  const { value, done } = await lines.next()
  if (done) throw new Error(`the process ended: ${(await exited).stderr}`)
  return value
}
