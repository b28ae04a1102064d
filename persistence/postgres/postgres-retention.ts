import type { KeyRing } from '../encryption.ts'
import { natural } from '../natural.ts'
import { OneByOne } from '../one-by-one.ts'
import { type HistoryBase, type HistoryStart, packAll, type Retention, type RetentionPage } from '../retention.ts'
import { findForgettable, findUnpacked, historyBaseOf, historyStartOf } from './history-start.ts'
import type { RunAs } from './session.ts'
import { type Answer, isForgetting, isPacking, type Request } from './thread-messages.ts'

export interface PostgresRetentionOptions {
  readonly read: RunAs
  readonly look: RunAs
  /** Asks the thread that makes history small, and end; `what` is being done, as errors say it. */
  readonly retain: (what: string, request: Request) => Promise<Answer>
  readonly compact: (document: string) => Promise<number>
}

/** The end of old history in a log in Postgres. */
export class PostgresRetention implements Retention {
  readonly #keys: KeyRing | undefined
  readonly #options: PostgresRetentionOptions
  readonly #oneByOne = new OneByOne()

  constructor(keys: KeyRing | undefined, options: PostgresRetentionOptions) {
    this.#keys = keys
    this.#options = options
  }

  async forget(document: string, until: number): Promise<number> {
    const request = { kind: 'forget', document, until: natural(until, 'until') } as const
    return await this.#oneByOne.run(async () => {
      for (;;) {
        const forgetting = await this.#options.retain(`${document}: forgetting`, request)
        if (!isForgetting(forgetting)) throw new TypeError('the thread answered something else than it was asked')
        if (forgetting.isDone) return forgetting.position
      }
    })
  }

  historyStart(document: string): Promise<HistoryStart> {
    return this.#options.read(`${document}: reading`, (session) => historyStartOf(session, document))
  }

  historyBase(document: string): Promise<HistoryBase | undefined> {
    return this.#options.look(`${document}: reading`, (session) => historyBaseOf(session, this.#keys, document))
  }

  forgettable(options: { before: number; after?: string; limit: number }): Promise<RetentionPage> {
    const { before, after = '', limit } = options
    return this.#options.read('looking for old history', (session) =>
      findForgettable(session, { before, after, limit }),
    )
  }

  async pack(document: string, until: number): Promise<number> {
    const upTo = natural(until, 'until')
    const packOnce = async (after: number) => {
      const request = { kind: 'pack', document, after, until: upTo } as const
      const packing = await this.#options.retain(`${document}: packing`, request)
      if (isPacking(packing)) return packing
      throw new TypeError('the thread answered something else than it was asked')
    }
    return await this.#oneByOne.run(() => packAll(packOnce, () => this.#options.compact(document)))
  }

  unpacked(options: { before: number; after?: string; limit: number }): Promise<RetentionPage> {
    const { before, after = '', limit } = options
    return this.#options.read('looking for old history', (session) => findUnpacked(session, { before, after, limit }))
  }
}
