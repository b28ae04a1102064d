import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { postgresFolder } from '../../scripts/support/postgres-programs.ts'

/** What the tests use of the system: a program, and the Debian package it comes in. */
const needed = [
  { isInstalled: isInPath('chromium'), package: 'chromium' },
  { isInstalled: isInPath('strace'), package: 'strace' },
  { isInstalled: isInPath('openssl'), package: 'openssl' },
  { isInstalled: postgresFolder() !== undefined, package: 'postgresql' },
  { isInstalled: isInPath('redis-server'), package: 'redis-server' },
]

const missing = needed.filter(({ isInstalled }) => !isInstalled)
if (missing.length > 0) {
  const packages = missing.map((item) => item.package)
  process.stderr.write(`installing for the tests: ${packages.join(' ')}\n`)
  const installed = aptGet('update') && aptGet('install', '--yes', '--no-install-recommends', ...packages)
  if (!installed) {
    process.stderr.write(`the tests need these packages; install them: apt-get install ${packages.join(' ')}\n`)
    process.exit(1)
  }
}

function isInPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)))
}

function aptGet(...args: string[]): boolean {
  const needsSudo = process.getuid?.() !== 0
  const [program = '', ...rest] = [...(needsSudo ? ['sudo', '--non-interactive'] : []), 'apt-get', ...args]
  const result = spawnSync(program, rest, {
    stdio: 'inherit',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
  return result.status === 0
}
