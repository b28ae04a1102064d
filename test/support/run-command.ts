import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { testSecret } from './server.ts'

const main = fileURLToPath(new URL('../../server/main.ts', import.meta.url))

export interface CommandResult {
  readonly exitCode: number | null
  readonly output: string
  readonly errors: string
}

/** Runs `coweave <args>` on the database in `folder`, as a user would. */
export function runCommand(folder: string, ...args: readonly string[]): Promise<CommandResult> {
  const DATABASE_URL = `sqlite:${join(folder, 'coweave.db')}`
  return runWith({ DATABASE_URL, NODE_ENV: 'test', JWT_SECRET: testSecret }, ...args)
}

/** Runs `coweave <args>` with these settings alone. */
export async function runWith(
  environment: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<CommandResult> {
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH: process.env.PATH ?? '', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [output, errors, [exitCode]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  return { exitCode: typeof exitCode === 'number' ? exitCode : null, output, errors }
}
