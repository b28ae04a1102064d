import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../scripts/support/free-port.ts'
import { makeCertificate } from './certificate.ts'

export interface RedisOptions {
  /** Of the user `default`; absent: none is asked for. */
  readonly password?: string
  /** TLS only, with this certificate, or one for 127.0.0.1 that signed itself. */
  readonly tls?: boolean | { readonly certificate: string; readonly key: string }
  /** More settings, as on the command line: `['--maxmemory', '10mb']`. */
  readonly settings?: readonly string[]
}

/** A Redis server in a process of its own, on a port and in a folder of its own. It keeps nothing. */
export interface TestRedis {
  readonly port: number
  /** As in REDIS_URL. */
  readonly url: string
  /** The file of its certificate; empty without TLS. */
  readonly certificate: string
  /** Ends at once, as a crash does, also while it is paused. */
  stop(): Promise<void>
  /** After stop(): on the same port, empty. Resolves once it takes connections. */
  start(): Promise<void>
  /** It keeps its connections and answers nothing. */
  pause(): void
  resume(): void
  /** The answer to a command, as `redis-cli` prints it. */
  command(...args: string[]): string
}

/** Several servers that stand for one. */
export interface TestRedises<Node extends TestRedis = TestRedis> {
  /** As in REDIS_URL. */
  readonly url: string
  readonly nodes: readonly Node[]
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
  for (const child of running) child.kill('SIGKILL')
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}

export async function startRedis(options: RedisOptions = {}): Promise<TestRedis> {
  const { password, tls = false, settings = [] } = options
  const folder = makeFolder()
  const port = await freePort()
  const files = tls === true ? makeCertificate(folder) : tls
  const server = new Server([
    ...['--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no', '--repl-diskless-sync-delay', '0'],
    ...(files ? tlsSettings(port, files) : ['--port', `${port}`]),
    ...(password === undefined ? [] : ['--requirepass', password, '--masterauth', password]),
    ...settings,
  ])
  await server.start('Ready to accept connections')
  const cli = ['-h', '127.0.0.1', '-p', `${port}`, ...(files ? ['--tls', '--cacert', files.certificate] : [])]
  return {
    port,
    url: urlOf(files ? 'rediss' : 'redis', password, [`127.0.0.1:${port}`]),
    certificate: files ? files.certificate : '',
    stop: () => server.stop(),
    start: () => server.start('Ready to accept connections'),
    pause: () => server.signal('SIGSTOP'),
    resume: () => server.signal('SIGCONT'),
    command: (...args) => redisCli([...cli, ...args], password),
  }
}

/** A Redis Cluster of three masters that share the keys. */
export async function startRedisCluster(options: RedisOptions = {}): Promise<TestRedises> {
  const { password } = options
  // One for all: a node's connections to the others are verified too.
  const tls = options.tls === true ? makeCertificate(makeFolder()) : options.tls
  const nodes = await Promise.all([0, 1, 2].map(() => startClusterNode({ ...options, ...(tls && { tls }) })))
  const [first] = nodes
  if (first === undefined) throw new Error('no node')
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
  first.command('--cluster', 'create', ...addresses, '--cluster-yes')
  await until('the cluster', () => nodes.every((node) => node.command('CLUSTER', 'INFO').includes('cluster_state:ok')))
  return {
    url: urlOf(tls ? 'rediss-cluster' : 'redis-cluster', password, addresses),
    nodes,
    stop: () => stopAll(nodes),
  }
}

export interface TestSentinel extends TestRedises {
  /** The one that was the master at first, and its replica. */
  readonly nodes: readonly [TestRedis, TestRedis]
  /** The port of whoever is the master by now, in the sentinel's opinion. */
  masterPort(): number
}

/** A master called `main`, its replica, and a sentinel that makes the replica the master when the master is away. */
export async function startRedisSentinel(options: Pick<RedisOptions, 'password'> = {}): Promise<TestSentinel> {
  const { password } = options
  const master = await startRedis(options)
  const replica = await startRedis({ ...options, settings: ['--replicaof', '127.0.0.1', `${master.port}`] })
  await until('the replica', () => replica.command('INFO', 'replication').includes('master_link_status:up'))
  const port = await freePort()
  const folder = makeFolder()
  const file = join(folder, 'sentinel.conf') // a sentinel writes into its settings what it learns
  writeFileSync(
    file,
    `port ${port}
bind 127.0.0.1
dir ${folder}
sentinel monitor main 127.0.0.1 ${master.port} 1
sentinel down-after-milliseconds main 1000
sentinel failover-timeout main 5000
${password === undefined ? '' : `sentinel auth-pass main ${JSON.stringify(password)}`}
`,
  )
  const sentinel = new Server([file, '--sentinel'])
  await sentinel.start('+monitor master')
  const ask = (...args: string[]) => redisCli(['-p', `${port}`, 'SENTINEL', ...args])
  await until('the sentinel', () => ask('replicas', 'main').includes(`${replica.port}`))
  return {
    url: `${urlOf('redis-sentinel', password, [`127.0.0.1:${port}`])}/main`,
    nodes: [master, replica],
    masterPort: () => Number(ask('get-master-addr-by-name', 'main').split('\n')[1]),
    stop: () => stopAll([sentinel, master, replica]),
  }
}

async function startClusterNode(options: RedisOptions): Promise<TestRedis> {
  const cluster = ['--cluster-enabled', 'yes', '--cluster-port', `${await freePort()}`]
  const timeout = ['--cluster-node-timeout', '1000']
  const tls = options.tls ? ['--tls-cluster', 'yes'] : []
  return startRedis({ ...options, settings: [...cluster, ...timeout, ...tls, ...(options.settings ?? [])] })
}

function tlsSettings(port: number, { certificate, key }: { certificate: string; key: string }): string[] {
  const files = ['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-ca-cert-file', certificate]
  return ['--port', '0', '--tls-port', `${port}`, '--tls-auth-clients', 'no', ...files]
}

class Server {
  readonly #args: readonly string[]
  #child: ChildProcess | undefined

  constructor(args: readonly string[]) {
    this.#args = args
  }

  /** Resolves once it has printed `sign`. */
  async start(sign: string): Promise<void> {
    const child = spawn('redis-server', this.#args, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    running.add(child)
    let output = ''
    await new Promise<void>((resolve, reject) => {
      const read = (chunk: Buffer) => {
        output = `${output}${chunk}`.slice(-10_000)
        if (output.includes(sign)) resolve()
      }
      child.stdout.on('data', read)
      child.stderr.on('data', read)
      child.on('error', (cause) => reject(new Error('the tests need Redis: apt-get install redis-server', { cause })))
      child.on('exit', () => {
        running.delete(child)
        reject(new Error(`Redis did not start:\n${output}`))
      })
    })
  }

  async stop(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || !running.has(child)) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }
}

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'coweave-redis-'))
  folders.add(folder)
  return folder
}

function redisCli(args: readonly string[], password?: string): string {
  const env = password === undefined ? process.env : { ...process.env, REDISCLI_AUTH: password }
  return execFileSync('redis-cli', args, { env, stdio: ['ignore', 'pipe', 'inherit'] }).toString()
}

function urlOf(scheme: string, password: string | undefined, addresses: readonly string[]): string {
  const user = password === undefined ? '' : `default:${encodeURIComponent(password)}@`
  return `${scheme}://${user}${addresses.join(',')}`
}

async function stopAll(servers: readonly { stop(): Promise<void> }[]): Promise<void> {
  await Promise.all(servers.map((server) => server.stop()))
}

async function until(what: string, isTrue: () => boolean): Promise<void> {
  for (let tries = 0; !isTrue(); tries++) {
    if (tries === 400) throw new Error(`${what} did not come about`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
