import { connect, type Session } from '../client/index.ts'

/** What one process of clients is told, over the channel of child_process.fork. */
export type NotifyOrder =
  | { readonly order: 'open'; readonly url: string; readonly users: readonly NotifyUser[] }
  | { readonly order: 'report' }
  | { readonly order: 'close' }

export interface NotifyUser {
  readonly user: string
  readonly token: string
}

/** How long after it was sent each notification was there, ms; the title of each says when that was. */
export type NotifyReport = { readonly phase: 'open' } | { readonly phase: 'seen'; readonly delays: readonly number[] }

/** Clients of one process that connect at the same time. */
const TOGETHER = 50

const delays: number[] = []
const sessions: Session[] = []

process.on('message', (order: NotifyOrder) => void obey(order))

async function obey(order: NotifyOrder): Promise<void> {
  switch (order.order) {
    case 'open':
      for (let from = 0; from < order.users.length; from += TOGETHER) {
        await Promise.all(order.users.slice(from, from + TOGETHER).map((user) => open(order.url, user)))
      }
      report({ phase: 'open' })
      return
    case 'report':
      report({ phase: 'seen', delays })
      return
    case 'close':
      for (const session of sessions) session.close()
      process.disconnect()
  }
}

function open(url: string, { user, token }: NotifyUser): Promise<void> {
  const session = connect({ url, user, token: async () => token, keepLocally: false })
  sessions.push(session)
  const { state } = session.inbox()
  const seen = new Set<string>()
  return new Promise((resolve) => {
    state.subscribe(() => {
      const { ready, notifications } = state.get()
      for (const { id, title } of notifications) {
        if (seen.has(id)) continue
        seen.add(id)
        delays.push(Date.now() - Number(title))
      }
      if (ready) resolve()
    })
  })
}

function report(message: NotifyReport): void {
  process.send?.(message)
}
