import { openProvider } from './provider.ts'
import { Writer } from './writer.ts'

/** What one process of clients is told, over the channel of child_process.fork. */
export type FloodOrder =
  /** In each document, two clients that edit now and then. */
  | { readonly order: 'edit'; readonly url: string; readonly token: string; readonly documents: readonly string[] }
  /** Measures the ways of edits that are made from now on. */
  | { readonly order: 'measure'; readonly ms: number }
  /** One client that writes as fast as it can, `window` updates ahead of their acknowledgements, until `stop`. */
  | {
      readonly order: 'flood'
      readonly url: string
      readonly token: string
      readonly document: string
      readonly window: number
    }
  | { readonly order: 'stop' }

/** What it answers. */
export type FloodReport =
  | { readonly phase: 'editing' }
  /** From each edit until the other client of its document had it, ms. */
  | { readonly phase: 'measured'; readonly delays: readonly number[] }
  | { readonly phase: 'flooding' }
  | { readonly phase: 'stopped'; readonly acknowledged: number }
  | { readonly phase: 'failed'; readonly problem: string }

const EDITS_PER_SECOND = 5
/** An edit that takes longer has not arrived: it counts as having taken so long. */
const PATIENCE_MS = 30_000

interface Way {
  readonly sentAt: number
  arrivedAt?: number
}

const ways: Way[] = []
let flooder: Writer | undefined

process.on('message', (order: FloodOrder) => {
  obey(order).catch((error: unknown) => report({ phase: 'failed', problem: String(error) }))
})

async function obey(order: FloodOrder): Promise<void> {
  switch (order.order) {
    case 'edit':
      await Promise.all(order.documents.map((name) => openPair(order.url, order.token, name)))
      report({ phase: 'editing' })
      return
    case 'measure': {
      const from = performance.now()
      await delay(order.ms)
      const until = performance.now()
      const measured = ways.filter(({ sentAt }) => sentAt >= from && sentAt < until)
      while (measured.some((way) => way.arrivedAt === undefined) && performance.now() - until < PATIENCE_MS)
        await delay(10)
      report({ phase: 'measured', delays: measured.map((way) => (way.arrivedAt ?? performance.now()) - way.sentAt) })
      return
    }
    case 'flood':
      flooder = await Writer.connect(order.url, order.document, order.token, order.window)
      await flooder.open()
      flooder.start()
      while (flooder.acknowledged === 0) await delay(10)
      report({ phase: 'flooding' })
      return
    case 'stop':
      flooder?.close()
      report({ phase: 'stopped', acknowledged: flooder?.acknowledged ?? 0 })
  }
}

/** Two clients of one document: each edits, and notes when the other's edits come. */
async function openPair(url: string, token: string, name: string): Promise<void> {
  const maps = await Promise.all(
    [0, 1].map(async () => {
      const { document } = await openProvider({ url, token }, name)
      return document.getMap<number>('ways')
    }),
  )
  for (const [index, map] of maps.entries()) {
    map.observe(({ transaction, keysChanged }) => {
      if (transaction.local) return
      for (const key of keysChanged) {
        const way = ways[map.get(key) ?? -1]
        if (way !== undefined) way.arrivedAt ??= performance.now()
      }
    })
    // Each begins somewhere else, so that they don't all edit at once.
    setTimeout(() => setInterval(edit, 1000 / EDITS_PER_SECOND), (Math.random() * 1000) / EDITS_PER_SECOND)
    const edit = () => {
      const way = { sentAt: performance.now() }
      map.set(`client ${index}`, ways.push(way) - 1)
    }
  }
}

function report(message: FloodReport): void {
  process.send?.(message)
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
