import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { freePort } from './support/free-port.ts'
import { startFront } from './support/front.ts'
import { initializePostgres, postgresFolder, unprivilegedUser } from './support/postgres-programs.ts'
import { Program, type ProgramOptions } from './support/program.ts'

/**
 * `npm run cluster [-- --port N] [-- --folder PATH]`: three instances on one machine to try out, with a Postgres, a
 * Redis and a load balancer of their own. Everything listens on loopback and trusts whoever is there. Port 0 takes free
 * ports.
 */
const INSTANCES = 3
const root = fileURLToPath(new URL('..', import.meta.url))
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '1234' },
    folder: { type: 'string', default: join(root, 'data', 'cluster') },
  },
})
const port = Number(values.port)
const folder = resolve(values.folder)

/** In the order in which they start; they end in the opposite one. */
const programs: Program[] = []
process.on('exit', () => {
  for (const program of programs) program.kill()
})

mkdirSync(folder, { recursive: true })
const databaseUrl = await startDatabase()
const redisUrl = await startRedis()
const ports = await portsOfInstances()
// Demo tokens of one instance are good on the others.
const secret = randomBytes(32).toString('base64url')
const instances = ports.map((each) => startInstance(each))
const front = await startFront(ports, port)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void stop())
while (front.ready.length < INSTANCES) await new Promise((done) => setTimeout(done, 50))

print(`http://127.0.0.1:${front.port}   open it in two windows; sockets are shared out among the instances`)
for (const [index, instance] of instances.entries()) {
  print(
    `http://127.0.0.1:${ports[index]}   instance, pid ${instance.pid}, log in ${logFile(`instance-${ports[index]}`)}`,
  )
}
print(`${databaseUrl}   log of updates`)
if (redisUrl !== undefined) print(redisUrl)
print(`Ctrl-C ends all of it; an instance that you kill -9 is started again`)

let isStopping = false
async function stop(): Promise<void> {
  // Whoever asks twice does not want to wait.
  if (isStopping) process.exit(1)
  isStopping = true
  await Promise.all(instances.map((instance) => instance.stop()))
  await front.close()
  for (const program of programs.toReversed()) await program.stop()
  process.exit(0)
}

/** Starts Postgres, where it is installed, and returns the URL of the database. */
async function startDatabase(): Promise<string> {
  const bin = postgresFolder()
  if (bin === undefined) {
    print('there is no Postgres: the instances share one SQLite file (apt-get install postgresql)')
    return `sqlite:${join(folder, 'coweave.db')}`
  }
  const user = unprivilegedUser()
  // The user has to reach its folder inside this one.
  if (user !== undefined) chmodSync(folder, 0o755)
  const data = join(folder, 'postgres')
  if (!existsSync(join(data, 'PG_VERSION'))) initializePostgres(data)
  const databasePort = await freePort()
  const args = ['-D', data, '-p', `${databasePort}`, '-k', data, '-c', 'listen_addresses=127.0.0.1']
  run('postgres', { command: join(bin, 'postgres'), args, user, folder: data, stopSignal: 'SIGINT' })
  return `postgres://postgres@127.0.0.1:${databasePort}/postgres`
}

/** Starts Redis, where it is installed, and returns its URL. */
async function startRedis(): Promise<string | undefined> {
  const folders = (process.env.PATH ?? '').split(delimiter)
  if (!folders.some((each) => existsSync(join(each, 'redis-server')))) {
    print('there is no Redis: the instances have only the log to hear of each other (apt-get install redis-server)')
    return undefined
  }
  const redisPort = await freePort()
  const args = ['--port', `${redisPort}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
  run('redis', { command: 'redis-server', args })
  return `redis://127.0.0.1:${redisPort}`
}

async function portsOfInstances(): Promise<number[]> {
  const offsets = Array.from({ length: INSTANCES }, (_, index) => index + 1)
  return Promise.all(offsets.map((offset) => (port === 0 ? freePort() : port + offset)))
}

function startInstance(instancePort: number): Program {
  const environment = {
    ...process.env,
    PORT: String(instancePort),
    HOST: '127.0.0.1',
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl ?? '',
    DEMO_SECRET: secret,
    TRUSTED_PROXIES: '1',
  }
  const args = [join(root, 'server', 'main.ts')]
  return run(`instance-${instancePort}`, { command: process.execPath, args, environment })
}

function run(name: string, options: Pick<ProgramOptions, 'command' | 'args'> & Partial<ProgramOptions>): Program {
  const program = new Program({
    name,
    folder,
    logFile: logFile(name),
    stopSignal: 'SIGTERM',
    onChange: print,
    ...options,
  })
  programs.push(program)
  return program
}

function logFile(name: string): string {
  return join(folder, `${name}.log`)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
