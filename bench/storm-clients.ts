import { type CollaborativeDocument, connect, type Session } from '../client/index.ts'

/** What one process of clients is told, over the channel of child_process.fork. */
export type StormOrder =
  | { readonly order: 'open'; readonly url: string; readonly clients: readonly StormClient[] }
  /** The server is down: each client makes an edit. */
  | { readonly order: 'edit' }

export interface StormClient {
  readonly token: string
  readonly user: string
  readonly document: string
  /** What it writes. */
  readonly edit: string
}

/** What it answers, once all of its clients are so far. */
export type StormReport =
  | { readonly phase: 'open' }
  | { readonly phase: 'edited' }
  | { readonly phase: 'synced'; readonly times: readonly StormTimes[] }
  | { readonly phase: 'failed'; readonly problem: string }

/** When a client was connected again, and when the server had its edit, ms since 1970. */
export interface StormTimes {
  readonly connected: number
  readonly saved: number
}

interface Opened {
  readonly session: Session
  readonly document: CollaborativeDocument
  readonly edit: string
}

let opened: readonly Opened[] = []

process.on('message', (order: StormOrder) => {
  obey(order).catch((error: unknown) => report({ phase: 'failed', problem: String(error) }))
})

async function obey(order: StormOrder): Promise<void> {
  switch (order.order) {
    case 'open':
      opened = order.clients.map((client) => open(order.url, client))
      await Promise.all(opened.map(({ document }) => document.whenSynced))
      report({ phase: 'open' })
      return
    case 'edit': {
      await Promise.all(opened.map(({ session }) => whenStatus(session, 'offline')))
      const times = opened.map(editOffline)
      report({ phase: 'edited' })
      report({ phase: 'synced', times: await Promise.all(times) })
    }
  }
}

function open(url: string, { token, user, document, edit }: StormClient): Opened {
  const session = connect({ url, user, token: async () => token, keepLocally: false })
  return { session, document: session.document(document), edit }
}

async function editOffline({ session, document, edit }: Opened): Promise<StormTimes> {
  document.ydoc.getMap('edits').set(edit, true)
  if (document.unsaved !== 1) throw new Error(`${edit} is not counted as unsaved`)
  const saved = document.whenSaved().then(() => Date.now())
  const connected = await whenStatus(session, 'online')
  return { connected, saved: await saved }
}

function whenStatus({ status }: Session, kind: 'online' | 'offline'): Promise<number> {
  return new Promise((resolve) => {
    const check = () => {
      if (status.get().kind !== kind) return
      stop()
      resolve(Date.now())
    }
    const stop = status.subscribe(check)
    check()
  })
}

function report(message: StormReport): void {
  process.send?.(message)
}
