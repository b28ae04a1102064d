import { HocuspocusProvider } from '@hocuspocus/provider'
import * as Y from 'yjs'

/** What the process of the clients is told, over the channel of child_process.fork. */
export interface ClusterTask {
  /** Of two instances. */
  readonly urls: readonly [string, string]
  readonly token: string
  readonly documents: number
  /** Of each document, at each instance. */
  readonly clients: number
  /** Whether all of them write, or the first one at the first instance. */
  readonly writers: 'one' | 'all'
  /** Of each writer. */
  readonly editsPerSecond: number
  readonly warmUpMs: number
  readonly measuredMs: number
  readonly patienceMs: number
}

export type ClusterReport =
  | { readonly phase: 'measuring' }
  /** How long each edit took to be at the other instance's first client, ms. */
  | { readonly phase: 'measured'; readonly delays: readonly number[] }
  | { readonly phase: 'verified' }
  | { readonly phase: 'failed'; readonly problem: string }

process.once('message', (task: ClusterTask) => {
  run(task).catch((error: unknown) => report({ phase: 'failed', problem: String(error) }))
})

async function run(task: ClusterTask): Promise<void> {
  const documents = Array.from({ length: task.documents }, (_, index) => new SharedDocument(task, index))
  await Promise.all(documents.map((document) => document.synced()))
  const write = async (forMs: number) => {
    const delays = await Promise.all(documents.map((document) => document.write(forMs)))
    return delays.flat()
  }
  await write(task.warmUpMs)
  report({ phase: 'measuring' })
  report({ phase: 'measured', delays: await write(task.measuredMs) })
  // A figure counts only if everybody, and a newcomer at each instance, has everything.
  for (const document of documents) await document.verify()
  report({ phase: 'verified' })
}

class Client {
  readonly edits: Y.Array<number>
  readonly #provider: HocuspocusProvider

  constructor(url: string, name: string, token: string) {
    const document = new Y.Doc()
    this.edits = document.getArray('edits')
    this.#provider = new HocuspocusProvider({ url, name, token, document })
  }

  synced(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#provider.synced) resolve()
      else this.#provider.on('synced', () => resolve())
    })
  }

  close(): void {
    this.#provider.destroy()
  }
}

/** A document with clients at two instances. */
class SharedDocument {
  readonly #task: ClusterTask
  readonly #name: string
  readonly #sides: readonly (readonly Client[])[]
  /** Number of an edit that is on its way → when it was made. */
  readonly #made = new Map<number, number>()
  #edits = 0
  #delays: number[] = []

  constructor(task: ClusterTask, index: number) {
    this.#task = task
    this.#name = `bench/${process.pid}-${index}`
    this.#sides = task.urls.map((url) =>
      Array.from({ length: task.clients }, () => new Client(url, this.#name, task.token)),
    )
    for (const [side, [first]] of this.#sides.entries()) first?.edits.observe((event) => this.#arrived(side, event))
  }

  async synced(): Promise<void> {
    await Promise.all(this.#sides.flat().map((client) => client.synced()))
  }

  /** Resolves with the delays of the edits, once all of them have arrived. */
  async write(forMs: number): Promise<number[]> {
    this.#delays = []
    const writers = this.#sides.flatMap((clients, side) => clients.map((client) => ({ client, side })))
    const writing = this.#task.writers === 'all' ? writers : writers.slice(0, 1)
    await Promise.all(writing.map(({ client, side }) => this.#writeAs(client, side, forMs)))
    await this.#until(
      () => this.#made.size === 0,
      () => `${this.#made.size} edits never arrived`,
    )
    return this.#delays
  }

  async verify(): Promise<void> {
    const newcomers = this.#task.urls.map((url) => new Client(url, this.#name, this.#task.token))
    await Promise.all(newcomers.map((client) => client.synced()))
    const all = [...this.#sides.flat(), ...newcomers]
    const contents = () => new Set(all.map(({ edits }) => edits.toArray().join()))
    const lengths = () => all.map(({ edits }) => edits.length)
    await this.#until(
      () => contents().size === 1 && lengths().every((length) => length === this.#edits),
      () => `clients have ${lengths().join(', ')} edits, ${this.#edits} were made`,
    )
    for (const client of newcomers) client.close()
  }

  /** At random times, so that nothing that happens at intervals falls in step with them. */
  async #writeAs(client: Client, side: number, forMs: number): Promise<void> {
    const end = performance.now() + forMs
    for (;;) {
      await delay((Math.random() * 2_000) / this.#task.editsPerSecond)
      if (performance.now() > end) return
      this.#edits += 1
      const number = 2 * this.#edits + side
      this.#made.set(number, performance.now())
      client.edits.push([number])
    }
  }

  #arrived(side: number, { changes }: Y.YArrayEvent<number>): void {
    const now = performance.now()
    for (const item of changes.added) {
      for (const number of item.content.getContent() as number[]) {
        const madeAt = this.#made.get(number)
        if (number % 2 === side || madeAt === undefined) continue
        this.#made.delete(number)
        this.#delays.push(now - madeAt)
      }
    }
  }

  async #until(isTrue: () => boolean, problem: () => string): Promise<void> {
    const deadline = performance.now() + this.#task.patienceMs
    while (!isTrue()) {
      if (performance.now() > deadline) throw new Error(`${this.#name}: ${problem()}`)
      await delay(20)
    }
  }
}

function report(message: ClusterReport): void {
  process.send?.(message)
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
