import { natural } from '../natural.ts'
import { OneByOne } from '../one-by-one.ts'
import { type HistoryBase, type HistoryStart, packAll, type Retention, type RetentionPage } from '../retention.ts'
import type { Forgetting } from './forgetter.ts'
import { unpackText } from './plain-replies.ts'
import type { Request } from './protocol.ts'
import { unpackHistoryBase } from './replies.ts'
import type { Ask } from './sqlite-thread.ts'

export interface SqliteRetentionOptions {
  readonly read: Ask
  /** Asks the thread that makes history small, and end. */
  readonly retain: Ask
  readonly compact: (document: string) => Promise<number>
}

/** The end of old history in an SQLite log: each call goes to a thread. */
export class SqliteRetention implements Retention {
  readonly #options: SqliteRetentionOptions
  readonly #oneByOne = new OneByOne()

  constructor(options: SqliteRetentionOptions) {
    this.#options = options
  }

  async forget(document: string, until: number): Promise<number> {
    const request = { kind: 'forget', document, until: natural(until, 'until') } as const
    return await this.#oneByOne.run(async () => {
      for (;;) {
        const { position, isDone } = await this.#retain<Forgetting>(request)
        if (isDone) return position
      }
    })
  }

  async historyStart(document: string): Promise<HistoryStart> {
    return JSON.parse(unpackText(await this.#options.read({ kind: 'history-start', document })))
  }

  async historyBase(document: string): Promise<HistoryBase | undefined> {
    return unpackHistoryBase(await this.#options.read({ kind: 'history-base', document }))
  }

  async forgettable(options: { before: number; after?: string; limit: number }): Promise<RetentionPage> {
    const { before, after = '', limit } = options
    return JSON.parse(unpackText(await this.#options.read({ kind: 'forgettable', before, after, limit })))
  }

  async pack(document: string, until: number): Promise<number> {
    const upTo = natural(until, 'until')
    return await this.#oneByOne.run(() =>
      packAll(
        (after) => this.#retain({ kind: 'pack', document, after, until: upTo }),
        () => this.#options.compact(document),
      ),
    )
  }

  async unpacked(options: { before: number; after?: string; limit: number }): Promise<RetentionPage> {
    const { before, after = '', limit } = options
    return JSON.parse(unpackText(await this.#options.read({ kind: 'unpacked', before, after, limit })))
  }

  /** What the thread has done. */
  async #retain<Done>(request: Request): Promise<Done> {
    return JSON.parse(unpackText(await this.#options.retain(request)))
  }
}
