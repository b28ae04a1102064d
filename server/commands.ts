import { parseArgs } from 'node:util'
import type { Logger } from 'pino'
import { CoweaveError } from '../model/errors.ts'
import { describeDocument } from '../persistence/inspect.ts'
import { migrate } from '../persistence/migrate.ts'
import { openLog } from '../persistence/open-log.ts'
import type { PortableLog } from '../persistence/portable-log.ts'
import type { UpdateLog } from '../persistence/update-log.ts'
import { levels } from './access/grants.ts'
import { Tokens } from './access/tokens.ts'
import { type Config, describeSettings, isDemo, readConfig } from './config.ts'
import { type CoweaveServer, createServer } from './coweave.ts'
import { createLogger } from './logger.ts'
import { newVapidKeys } from './push/vapid.ts'

type Environment = Readonly<Record<string, string | undefined>>

const usage = `coweave: a collaboration server for Yjs

  coweave                      starts the server
  coweave check                reads the whole log and names what is damaged; exit code 1 if anything is
  coweave backup <file>        writes a copy of the log while the server goes on
  coweave reindex              makes what is searched in anew from the log: words of messages, texts of documents
  coweave inspect <document>   what the log holds of a document
  coweave migrate --from URL --to URL
                               copies the log of one database into an empty one (sqlite:… or postgres://…) and
                               verifies the copy; stop the servers before. ENCRYPTION_KEY is that of the copy
  coweave import --from SOURCE --to URL
                               takes over the documents of another server (docs/import.md) and verifies each.
                               SOURCE: hocuspocus-sqlite:FILE, y-leveldb:FOLDER or updates:FOLDER
                               [--dry-run] [--prefix TEXT] [--names FILE] [--author USER] [--merge]
                               [--encoding v1|v2] [--numbered updates|documents] [--verbose] [--json]
  coweave token <user>         prints a token   [--name NAME] [--grant PATTERN=LEVEL …] [--admin] [--agent]
                               [--hours N]
  coweave vapid                makes a pair of keys for pushing notifications, as settings
  coweave doctor <url>         checks the way to a running server   [--token T] [--document NAME] [--origin URL]
  coweave --help               this text

Settings come from the environment:

${describeSettings()
  .map(
    ({ name, default: fallback, meaning }) => `  ${name}${fallback === '' ? '' : ` (${fallback})`}\n      ${meaning}`,
  )
  .join('\n')}
`

/** Runs one `coweave` command. @throws {CoweaveError} for wrong settings or arguments, and for what storage refuses */
export async function runCommand(args: readonly string[], environment: Environment): Promise<void> {
  const { values, positionals } = parseArguments(args)
  const [command, argument] = positionals
  if (values.help) {
    print(usage)
    return
  }
  if (command === 'doctor') {
    // It looks at a server from outside: the settings here are not that server's.
    const { runDoctor } = await import('./doctor/doctor.ts')
    await runDoctor(required(argument, 'doctor needs the URL of a server'), values, print)
    return
  }
  if (command === 'vapid') {
    // It makes settings, and needs none.
    const { publicKey, privateKey } = newVapidKeys()
    print(`VAPID_PUBLIC_KEY=${publicKey}\nVAPID_PRIVATE_KEY=${privateKey}\n`)
    return
  }
  const config = readConfig(environment)
  switch (command) {
    case undefined:
      return serve(config)
    case 'check':
      return withLog(config, check)
    case 'backup':
      return withLog(config, (log) => log.backup(required(argument, 'backup needs a file')))
    case 'reindex':
      return withLog(config, reindexLog)
    case 'inspect': {
      const document = required(argument, 'inspect needs a document')
      return withLog(config, async (log) =>
        print(`${JSON.stringify(await describeDocument(log, document), null, 2)}\n`),
      )
    }
    case 'migrate':
      return migrateLog(
        required(values.from, 'migrate needs --from'),
        required(values.to, 'migrate needs --to'),
        config,
      )
    case 'import': {
      const from = required(values.from, 'import needs --from')
      const to = required(values.to, 'import needs --to')
      const { runImport } = await import('./import/command.ts')
      return runImport({ ...values, from, to }, config, { print, onProblem: printProblem })
    }
    case 'token':
      printToken(config, required(argument, 'token needs a user'), values)
      return
    default:
      throw new CoweaveError('command/unknown', `unknown command "${command}"; coweave --help lists them`)
  }
}

async function serve(config: Config): Promise<void> {
  const logger = createLogger(config)
  const endTracing = await beginTracing(config, logger)
  const coweave = await createServer(config, logger, { demo: true })
  stopOnSignal(coweave, logger, config, endTracing)
  try {
    await coweave.start()
  } catch (error) {
    // Such as a port that is taken: the log's thread would keep the process for ever.
    await coweave.stop()
    throw error
  }
}

/** Loads it only where somebody wants it. Returns how to end it. */
async function beginTracing(config: Config, logger: Logger): Promise<(() => Promise<void>) | undefined> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER_ARG: ratio } = config
  if (endpoint === undefined) return undefined
  const { startTracing } = await import('./tracing/tracing.ts')
  return startTracing({ endpoint, ratio, logger })
}

/** The first signal drains and stops; a second one ends the process at once. */
function stopOnSignal(
  coweave: CoweaveServer,
  logger: Logger,
  { DRAIN_TIME, SHUTDOWN_TIMEOUT }: Config,
  endTracing: (() => Promise<void>) | undefined,
): void {
  const stop = async () => {
    if (DRAIN_TIME > 0) await coweave.drain()
    setTimeout(() => {
      logger.fatal('stopping took too long')
      process.exit(1)
    }, SHUTDOWN_TIMEOUT).unref()
    await coweave.stop()
    // What was not told by then nobody waits for.
    await endTracing?.().catch((error: unknown) => logger.warn({ error }, 'the last traces could not be sent'))
  }
  let stopping = false
  const onSignal = (signal: string) => {
    if (stopping) process.exit(1)
    stopping = true
    logger.info({ signal }, 'stopping')
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.fatal({ error }, 'stopping failed')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
}

async function check(log: UpdateLog): Promise<void> {
  let damaged = 0
  for await (const { document, position, problem } of log.check()) {
    damaged += 1
    print(`${document ?? '(database)'}${position === undefined ? '' : ` at ${position}`}: ${problem}\n`)
  }
  if (damaged > 0) throw new CoweaveError('storage/corrupt', `${damaged} damaged; restore them from a backup`)
  print('no damage found\n')
}

async function reindexLog(log: UpdateLog): Promise<void> {
  const { reindex } = await import('./search/reindex.ts')
  const { messages, documents, failed } = await reindex(log, (document, error) => {
    printProblem(new Error(`${document}: ${error.message}`))
  })
  print(`${messages} messages and ${documents} documents can be searched\n`)
  if (failed > 0)
    throw new CoweaveError('search/incomplete', `${failed} documents could not be read; run coweave check`)
}

async function migrateLog(from: string, to: string, { ENCRYPTION_KEY }: Config): Promise<void> {
  if (from === to) throw new CoweaveError('command/bad-argument', '--from and --to are the same database')
  const source = await openSource(from, ENCRYPTION_KEY)
  try {
    const target = await openLog({ url: to, encryptionKey: ENCRYPTION_KEY, create: true, onProblem: printProblem })
    try {
      const { documents, rows, messages } = await migrate(source, target)
      print(`copied and verified: ${documents} documents with ${rows} updates, ${messages} messages\n`)
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

/** Without the key where it can be read so: opening it with one would bind it to that key. */
async function openSource(url: string, encryptionKey: string | undefined): Promise<PortableLog> {
  try {
    return await openLog({ url, create: false, onProblem: printProblem })
  } catch (error) {
    const isEncrypted = error instanceof CoweaveError && error.code === 'storage/key'
    if (!isEncrypted || encryptionKey === undefined) throw error
    return await openLog({ url, encryptionKey, create: false, onProblem: printProblem })
  }
}

function printToken(config: Config, user: string, values: ReturnType<typeof parseArguments>['values']): void {
  if (isDemo(config) && config.DEMO_SECRET === undefined) {
    const problem = 'set JWT_SECRET, or DEMO_SECRET as the server has it: in demo mode it makes tokens itself'
    throw new CoweaveError('config/invalid', problem)
  }
  const access = Object.fromEntries(values.grant.map(parseGrantArgument))
  const hours = Number(values.hours)
  if (!(hours > 0)) throw new CoweaveError('command/bad-argument', `--hours ${values.hours}: must be a number above 0`)
  const { name = user, admin, agent } = values
  const claims = { user, name, access, ...(admin ? { admin } : {}), ...(agent ? { agent } : {}) }
  print(`${new Tokens(config).sign(claims, Math.round(hours * 3600))}\n`)
}

function parseGrantArgument(text: string): [string, (typeof levels)[number]] {
  const at = text.lastIndexOf('=')
  const level = levels.find((known) => known === text.slice(at + 1))
  if (at < 1 || level === undefined) {
    throw new CoweaveError('command/bad-argument', `--grant ${text}: must be <pattern>=<${levels.join('|')}>`)
  }
  return [text.slice(0, at), level]
}

function parseArguments(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        name: { type: 'string' },
        grant: { type: 'string', multiple: true, default: ['**=write'] },
        admin: { type: 'boolean', default: false },
        agent: { type: 'boolean', default: false },
        token: { type: 'string' },
        document: { type: 'string' },
        origin: { type: 'string' },
        hours: { type: 'string', default: '1' },
        from: { type: 'string' },
        to: { type: 'string' },
        prefix: { type: 'string', default: '' },
        names: { type: 'string' },
        author: { type: 'string', default: '' },
        merge: { type: 'boolean', default: false },
        'dry-run': { type: 'boolean', default: false },
        encoding: { type: 'string' },
        numbered: { type: 'string', default: 'updates' },
        json: { type: 'boolean', default: false },
        verbose: { type: 'boolean', default: false },
      },
    })
  } catch (cause) {
    throw new CoweaveError('command/bad-argument', `${String(cause)}; coweave --help lists the commands`, { cause })
  }
}

async function withLog(config: Config, use: (log: UpdateLog) => Promise<void>): Promise<void> {
  const log = await openLog({
    url: config.DATABASE_URL,
    encryptionKey: config.ENCRYPTION_KEY,
    create: false,
    onProblem: printProblem,
  })
  try {
    await use(log)
  } finally {
    await log.close()
  }
}

function required(argument: string | undefined, problem: string): string {
  if (argument === undefined) throw new CoweaveError('command/bad-argument', problem)
  return argument
}

function printProblem(error: Error): void {
  process.stderr.write(`${error.message}\n`)
}

function print(text: string): void {
  process.stdout.write(text)
}
