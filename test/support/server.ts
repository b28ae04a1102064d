import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import jwt from 'jsonwebtoken'

const main = fileURLToPath(new URL('../../server/main.ts', import.meta.url))

export const testSecret = 'a secret for tests, long enough for HS256'

export interface ServerOptions {
  /** Where its database is; its own temporary folder by default, which is removed at the end of the process. */
  readonly folder?: string
  readonly environment?: Readonly<Record<string, string>>
  /** Hands out demo tokens instead of checking those of `tokenFor`. */
  readonly demo?: boolean
  /** A program and its arguments to run node under, such as strace. */
  readonly wrapper?: readonly string[]
}

/** A server in a process of its own, as a user runs it. */
export interface TestServer {
  readonly url: string
  /** `ws://…/collab` */
  readonly socketUrl: string
  readonly port: number
  readonly folder: string
  readonly pid: number
  /** What it logged so far, a JSON line an entry. */
  output(): string
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>
  /** SIGKILL. */
  kill(): Promise<void>
  /** The same again on the same folder, and the same port unless it is taken. */
  restart(): Promise<TestServer>
}

const running = new Set<ChildProcess>()
const folders = new Set<string>()
process.on('exit', cleanUp)
// How Vitest ends its workers, which runs no exit handler by itself.
process.once('SIGTERM', () => {
  cleanUp()
  process.exit()
})

function cleanUp(): void {
  for (const child of running) child.kill('SIGKILL')
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'coweave-test-'))
  folders.add(folder)
  return folder
}

/** The URL of the database that `place` names: a URL itself, or the folder of a server that has its own. */
export function databaseUrl(place: string): string {
  return /^[a-z]+:/.test(place) ? place : `sqlite:${join(place, 'coweave.db')}`
}

/** Starts a server and waits until it listens. Rejects with its output if it doesn't. */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const folder = options.folder ?? temporaryFolder()
  const environment = {
    PATH: process.env.PATH ?? '',
    // Hundreds of servers are started: each would read and compile the same files.
    NODE_COMPILE_CACHE: join(tmpdir(), 'coweave-test-compile-cache'),
    PORT: '0',
    DATABASE_URL: databaseUrl(folder),
    NODE_ENV: 'test',
    // Its threads take longer to start than most tests.
    DOCUMENT_SEARCH: 'off',
    ...(options.demo ? {} : { JWT_SECRET: testSecret }),
    ...options.environment,
  }
  const [program = process.execPath, ...wrapperArguments] = options.wrapper ?? []
  const args = options.wrapper === undefined ? [main] : [...wrapperArguments, process.execPath, main]
  const child = spawn(program, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  const exited = once(child, 'exit').then(([code]) => {
    running.delete(child)
    return typeof code === 'number' ? code : null
  })

  let output = ''
  const listening = new Promise<{ port: number; pid: number }>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk.toString()
      const [line] = output.split('\n').filter((text) => text.includes('is listening on'))
      const [, port] = /is listening on https?:\S+:(\d+)/.exec(line ?? '') ?? []
      const [, pid] = /"pid":(\d+)/.exec(line ?? '') ?? []
      if (port !== undefined && pid !== undefined) resolve({ port: Number(port), pid: Number(pid) })
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    void exited.then((code) => reject(new Error(`the server exited with ${code}:\n${output}`)))
  })
  const { port, pid } = await listening

  return {
    url: `http://127.0.0.1:${port}`,
    socketUrl: `ws://127.0.0.1:${port}/collab`,
    port,
    folder,
    pid,
    output: () => output,
    async stop() {
      process.kill(pid, 'SIGTERM')
      return exited
    },
    async kill() {
      if (running.has(child)) process.kill(pid, 'SIGKILL')
      await exited
    },
    restart: () => startServer({ ...options, folder, environment: { ...options.environment, PORT: String(port) } }),
  }
}

export interface TokenOptions {
  readonly name?: string
  readonly access?: Readonly<Record<string, string>>
  readonly expiresInS?: number
  readonly relay?: boolean
  readonly admin?: boolean
  readonly agent?: boolean
}

/** A token for `user`, signed with the test servers' secret; by default it may write everything. */
export function tokenFor(user: string, options: TokenOptions = {}): string {
  const { name = user, access = { '**': 'write' }, expiresInS = 3600, relay, admin, agent } = options
  const claims = { name, access, relay, admin, agent }
  return jwt.sign(claims, testSecret, { subject: user, expiresIn: expiresInS })
}
