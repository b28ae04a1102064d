import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { freePort } from '../../scripts/support/free-port.ts'
import { initializePostgres, postgresFolder, unprivilegedUser } from '../../scripts/support/postgres-programs.ts'
import { makeCertificate } from './certificate.ts'

/** In every URL, so that tests can look for it where it must not be. The server trusts everybody. */
export const password = 'pa55word-of-tests'

/** A Postgres server in a process of its own, on a port and in a folder of its own. */
export interface TestPostgres {
  /** Its data directory. */
  readonly data: string
  /** The file of its certificate, which it signed itself, for 127.0.0.1. */
  readonly certificate: string
  /** Makes an empty database and returns its URL. `options` are those of CREATE DATABASE. */
  createDatabase(name?: string, options?: string): Promise<string>
  /** Runs SQL in a database, as somebody else would. */
  query(url: string, sql: string, values?: readonly unknown[]): Promise<unknown[][]>
  /** Ends at once, as a crash does: `pg_ctl stop -m immediate`. */
  crash(): Promise<void>
  /** After crash(): on the same port and folder. Resolves once it takes connections. */
  start(): Promise<void>
  /** Ends it and removes its folder. */
  stop(): Promise<void>
}

const running = new Set<ChildProcess>()
const folders = new Set<string>()
process.on('exit', cleanUp)
process.once('SIGTERM', () => {
  cleanUp()
  process.exit()
})

function cleanUp(): void {
  for (const child of running) child.kill('SIGQUIT')
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}

export interface PostgresOptions {
  /** Whether what it commits is on the disk then, so that it survives a crash of the machine. */
  readonly fsync?: boolean
}

export async function startPostgres({ fsync = false }: PostgresOptions = {}): Promise<TestPostgres> {
  const bin = postgresFolder()
  if (bin === undefined) throw new Error('the tests need Postgres: apt-get install postgresql')
  const user = unprivilegedUser()
  const folder = mkdtempSync(join(tmpdir(), 'coweave-postgres-'))
  folders.add(folder)
  chmodSync(folder, 0o755)
  const data = join(folder, 'data')
  if (user !== undefined) chownSync(folder, user.uid, user.gid)
  initializePostgres(data, ['--no-sync'])
  const tls = makeCertificate(folder)
  for (const path of [tls.certificate, tls.key]) if (user !== undefined) chownSync(path, user.uid, user.gid)
  const port = await freePort()
  const urlOf = (name: string) => `postgres://postgres:${password}@127.0.0.1:${port}/${encodeURIComponent(name)}`
  let databases = 0
  let server: ChildProcess | undefined

  async function start(): Promise<void> {
    const place = ['-D', data, '-p', `${port}`, '-k', folder, '-c', 'listen_addresses=127.0.0.1']
    // The least durable default: what must not be lost in a crash has to ask for more. Without fsync, which only
    // matters when the machine crashes, the tests take half the time.
    const settings = ['-c', 'synchronous_commit=off', '-c', `fsync=${fsync ? 'on' : 'off'}`]
    settings.push('-c', 'ssl=on', '-c', `ssl_cert_file=${tls.certificate}`, '-c', `ssl_key_file=${tls.key}`)
    const child = spawn(join(bin ?? '', 'postgres'), [...place, ...settings], {
      ...user,
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    server = child
    running.add(child)
    let output = ''
    child.stderr.on('data', (chunk) => {
      output = `${output}${chunk}`.slice(-10_000)
    })
    const exited = once(child, 'exit').then(() => running.delete(child))
    await Promise.race([
      accepting(urlOf('postgres')),
      exited.then(() => Promise.reject(new Error(`Postgres did not start:\n${output}`))),
    ])
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const child = server
    server = undefined
    if (child === undefined || !running.has(child)) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
    running.delete(child)
  }

  await start()
  return {
    data,
    certificate: tls.certificate,
    async createDatabase(name = `test-${++databases}`, options = '') {
      await query(urlOf('postgres'), `CREATE DATABASE "${name}" ${options}`)
      return urlOf(name)
    },
    query,
    crash: () => end('SIGQUIT'),
    start,
    async stop() {
      await end('SIGQUIT')
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
      folders.delete(folder)
    },
  }
}

async function query(url: string, sql: string, values: readonly unknown[] = []): Promise<unknown[][]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<unknown[]>({ text: sql, values: [...values], rowMode: 'array' })
    return rows
  } finally {
    await client.end()
  }
}

async function accepting(url: string): Promise<void> {
  for (;;) {
    try {
      await query(url, 'SELECT 1')
      return
    } catch {
      // It is starting, or recovering; whoever waits also watches for its end.
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}
