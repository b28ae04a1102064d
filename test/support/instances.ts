import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Cable } from './cable.ts'
import { startServer, type TestServer } from './server.ts'

/** How long an instance may take to start again, once what it needs is there, ms. */
const PATIENCE_MS = 60_000

export interface InstancesOptions {
  /** What they share, as in DATABASE_URL. */
  readonly databaseUrl: string
  /** Without it they share nothing else. */
  readonly redis?: { readonly port: number } | undefined
  readonly environment?: Readonly<Record<string, string>>
}

/** One of several servers on one database. It comes back on the same port. */
export class Instance {
  readonly name: string
  /** Its way to Redis, which can be cut. */
  readonly redisLink: Cable | undefined
  readonly #earlier: string[] = []
  #server: TestServer
  #isAlive = true

  static async start(name: string, { databaseUrl, redis, environment }: InstancesOptions): Promise<Instance> {
    const redisLink = redis && (await Cable.to(redis))
    const server = await startServer({
      environment: {
        DATABASE_URL: databaseUrl,
        ...(redisLink && { REDIS_URL: `redis://127.0.0.1:${redisLink.port}` }),
        ...environment,
      },
    })
    return new Instance(name, server, redisLink)
  }

  private constructor(name: string, server: TestServer, redisLink: Cable | undefined) {
    this.name = name
    this.#server = server
    this.redisLink = redisLink
  }

  get server(): TestServer {
    return this.#server
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  /** All that it ever logged. */
  get output(): string {
    return [...this.#earlier, this.#server.output()].join('\n--- killed and started again ---\n')
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    this.#isAlive = false
    await this.#server.kill()
  }

  /** After kill(). Tries until it starts, as whatever runs servers does: the database may be away. */
  async restart(): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS
    for (;;) {
      try {
        const server = await this.#server.restart()
        this.#earlier.push(this.#server.output())
        this.#server = server
        this.#isAlive = true
        return
      } catch (error) {
        if (Date.now() > deadline) throw new Error(`${this.name} does not start again`, { cause: error })
        await setTimeout(200)
      }
    }
  }

  /** SIGTERM; resolves with the exit code. */
  async stop(): Promise<number | null> {
    this.#isAlive = false
    const code = await this.#server.stop()
    this.redisLink?.close()
    return code
  }

  /** Ends it at once, if it still runs. */
  async close(): Promise<void> {
    await this.kill()
    this.redisLink?.close()
  }
}

/** Several servers that share a database and, if there is one, a Redis. */
export class Instances {
  readonly all: readonly Instance[]
  /**
   * For clients, a way for each instance, as through a load balancer: it leads there while the instance is alive, and
   * to the next one else. Connections stay where they are until something breaks.
   */
  readonly ways: readonly Cable[]

  static async start(count: number, options: InstancesOptions): Promise<Instances> {
    const names = Array.from({ length: count }, (_, index) => `instance-${index}`)
    const all = await Promise.all(names.map((name) => Instance.start(name, options)))
    const ways = await Promise.all(
      all.map((home, index) => {
        const inTurn = [...all.slice(index), ...all.slice(0, index)]
        return Cable.to({
          get port() {
            return (inTurn.find(({ isAlive }) => isAlive) ?? home).server.port
          },
        })
      }),
    )
    return new Instances(all, ways)
  }

  private constructor(all: readonly Instance[], ways: readonly Cable[]) {
    this.all = all
    this.ways = ways
  }

  /** Writes what all of them logged, and `more` files, into a folder that stays, and returns its path. */
  keepLogs(more: Readonly<Record<string, string>> = {}): string {
    const folder = mkdtempSync(join(tmpdir(), 'coweave-failed-'))
    for (const { name, output } of this.all) writeFileSync(join(folder, `${name}.log`), output)
    for (const [name, text] of Object.entries(more)) writeFileSync(join(folder, name), text)
    return folder
  }

  async close(): Promise<void> {
    for (const way of this.ways) way.close()
    await Promise.all(this.all.map((instance) => instance.close()))
  }
}
