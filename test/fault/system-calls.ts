import { readFileSync } from 'node:fs'

/** One finished system call of a process that ran under `strace -f -yy`. */
export interface SystemCall {
  readonly name: string
  /** Its file descriptor with the path or the connection behind it, as strace shows it. */
  readonly target: string
  readonly arguments: string
  readonly result: string
  /** Lines in the trace where it began and where it returned: strace writes them in the order of happening. */
  readonly began: number
  readonly returned: number
}

/** What to run a server under so that `file` tells which of `calls` it made. */
export function straceWrapper(file: string, calls: readonly string[], more: readonly string[] = []): string[] {
  // Whole pages of the log, so that they can be searched.
  return ['strace', '-f', '-yy', '-s', '8192', '-o', file, '-e', `trace=${calls.join(',')}`, ...more]
}

/** The finished system calls in a trace, ordered by when they returned. */
export function readSystemCalls(file: string): SystemCall[] {
  const calls: SystemCall[] = []
  const unfinished = new Map<string, { began: number; text: string }>()
  readFileSync(file, 'latin1')
    .split('\n')
    .forEach((line, index) => {
      const [, thread = '', text = ''] = /^(\d+) +(.*)$/s.exec(line) ?? []
      const interrupted = /^(.*) <unfinished \.\.\.>$/s.exec(text)
      if (interrupted) {
        unfinished.set(thread, { began: index, text: interrupted[1] ?? '' })
        return
      }
      const resumed = /^<\.\.\. \w+ resumed>(.*)$/s.exec(text)
      const begun = unfinished.get(thread)
      const call =
        resumed && begun
          ? parseCall(begun.text + (resumed[1] ?? ''), begun.began, index)
          : parseCall(text, index, index)
      if (resumed) unfinished.delete(thread)
      if (call !== undefined) calls.push(call)
    })
  return calls
}

function parseCall(text: string, began: number, returned: number): SystemCall | undefined {
  const match = /^(\w+)\((\d+<.*?>)(?:, (.*))?\) += (.*)$/s.exec(text)
  if (match === null) return undefined
  const [, name = '', target = '', parameters = '', result = ''] = match
  return { name, target, arguments: parameters, result, began, returned }
}
