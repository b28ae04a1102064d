import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { databaseUrl, testSecret } from './server.ts'

const main = fileURLToPath(new URL('../../server/main.ts', import.meta.url))

export interface CommandResult {
  readonly exitCode: number | null
  readonly output: string
  readonly errors: string
}

/** Runs `coweave <args>` on the database that `place` names (see databaseUrl()), as a user would. */
export function runCommand(place: string, ...args: readonly string[]): Promise<CommandResult> {
  return runWith({ DATABASE_URL: databaseUrl(place), NODE_ENV: 'test', JWT_SECRET: testSecret }, ...args)
}

/** Runs `coweave <args>` with these settings alone. */
export async function runWith(
  environment: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<CommandResult> {
  const child = spawn(process.execPath, [main, ...args], {
    env: {
      PATH: process.env.PATH ?? '',
      NODE_COMPILE_CACHE: join(tmpdir(), 'coweave-test-compile-cache'),
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [output, errors, [exitCode]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  return { exitCode: typeof exitCode === 'number' ? exitCode : null, output, errors }
}
