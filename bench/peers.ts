import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import jwt from 'jsonwebtoken'
import { type BenchDialect, hocuspocus, yWebsocket } from './dialects.ts'

const secret = 'a secret for measurements, long enough for HS256'

/** A server under measurement, in a process of its own. */
export interface RunningPeer {
  readonly url: string
  readonly token: string
  readonly pid: number
  readonly folder: string
  /** Ends the process, and removes its folder unless another one goes on with it. */
  stop(removeFolder?: boolean): Promise<void>
  /** SIGKILL. The folder stays. */
  kill(): Promise<void>
}

export interface Peer {
  readonly name: string
  readonly dialect: BenchDialect
  /** On `port`, or any that is free. */
  start(folder?: string, port?: number): Promise<RunningPeer>
}

export const coweave: Peer = {
  name: 'Coweave',
  dialect: hocuspocus,
  start: (folder = temporaryFolder(), port = 0) =>
    startCoweave(folder, { PORT: String(port), DATABASE_URL: `sqlite:${join(folder, 'coweave.db')}` }),
}

export const stockHocuspocus: Peer = {
  name: 'Hocuspocus 4.7 with its SQLite extension',
  dialect: hocuspocus,
  start: (folder = temporaryFolder()) => startStock(folder, {}),
}

/** It verifies tokens, where the others of stock Hocuspocus take any. */
export const verifyingHocuspocus: Peer = {
  ...stockHocuspocus,
  name: 'Hocuspocus 4.7 with its SQLite extension and JWTs',
  start: (folder = temporaryFolder()) => startStock(folder, { JWT_SECRET: secret }),
}

/** In memory only, as its package starts it. */
export const yWebsocketServer: Peer = {
  name: 'y-websocket',
  dialect: yWebsocket,
  start: (folder = temporaryFolder()) => run('y-websocket-server.ts', '', folder, {}),
}

/** Hands on what it gets, and knows nothing of documents. */
export const bareWs: Peer = {
  name: 'bare ws',
  dialect: yWebsocket,
  start: (folder = temporaryFolder()) => run('bare-ws.ts', '', folder, {}),
}

/** With more settings, such as what instances share. */
export function startCoweave(folder: string, environment: Record<string, string>): Promise<RunningPeer> {
  const settings = { PORT: '0', JWT_SECRET: secret, NODE_ENV: 'production', ...environment }
  return run('../server/main.ts', '/collab', folder, settings)
}

/** On the database in `folder`; with `REDIS_PORT`, as one of several instances. */
export function startStock(folder: string, environment: Record<string, string>): Promise<RunningPeer> {
  // One of several prints a line whenever another one stores a document first.
  const errors = environment.REDIS_PORT === undefined ? 'inherit' : 'ignore'
  return run('stock-hocuspocus.ts', '', folder, { DATABASE: join(folder, 'stock.db'), ...environment }, errors)
}

async function run(
  script: string,
  path: string,
  folder: string,
  environment: Record<string, string>,
  errors: 'inherit' | 'ignore' = 'inherit',
): Promise<RunningPeer> {
  const file = fileURLToPath(new URL(script, import.meta.url))
  const preloaded = fileURLToPath(new URL('collect-garbage.ts', import.meta.url))
  const child = spawn(process.execPath, ['--expose-gc', '--import', preloaded, ...profiling(), file], {
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'pipe', errors],
  })
  const port = await listeningPort(child)
  const { pid } = child
  if (pid === undefined) throw new Error(`${script} has no process`)
  const end = async (signal: NodeJS.Signals) => {
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }
  return {
    url: `ws://127.0.0.1:${port}${path}`,
    token: tokenFor('bench'),
    pid,
    folder,
    kill: () => end('SIGKILL'),
    async stop(removeFolder = true) {
      await end('SIGTERM')
      if (removeFolder) rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A token that Coweave takes, for an hour. */
export function tokenFor(user: string, claims: { readonly admin?: true } = {}): string {
  return jwt.sign({ access: { '**': 'write' }, ...claims }, secret, { subject: user, expiresIn: '1h' })
}

let profileFolder: string | undefined

/** From now on each server writes its profile into this folder when it ends. */
export function profileInto(folder: string | undefined): void {
  profileFolder = folder
}

function profiling(): string[] {
  return profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`]
}

async function listeningPort({ stdout }: ChildProcess): Promise<number> {
  if (stdout === null) throw new Error('the server has no output')
  let output = ''
  for await (const chunk of stdout.iterator({ destroyOnReturn: false })) {
    output += String(chunk)
    const [, port] = /listening on \S+?:(\d+)"?/.exec(output) ?? []
    if (port !== undefined) {
      stdout.resume()
      return Number(port)
    }
  }
  throw new Error(`the server ended:\n${output}`)
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'coweave-bench-'))
}

/** CPU time of a process so far, all its threads, ms. */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  // utime and stime, in clock ticks of 10 ms on Linux.
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** Bytes a process caused to be written to disk so far. */
export function writtenBytes(pid: number): number {
  const [, bytes] = /^write_bytes: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8')) ?? []
  return Number(bytes)
}

/** What a process holds in memory once its garbage is gone, bytes. */
export async function heldBytes(pid: number): Promise<number> {
  const collected: number[] = []
  // What is freed goes back to the system a little later.
  for (let round = 0; round < 3; round += 1) {
    process.kill(pid, 'SIGUSR2')
    await setTimeout(700)
    collected.push(residentBytes(pid))
  }
  return Math.min(...collected)
}

/** What a process has in memory now, bytes. */
export function residentBytes(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kib) * 1024
}
