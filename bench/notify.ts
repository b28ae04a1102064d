import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { NotifyOrder, NotifyReport, NotifyUser } from './notify-clients.ts'
import { parameters } from './parameters.ts'
import { coweave, type RunningPeer, tokenFor } from './peers.ts'
import { percentile, type Row } from './results.ts'

const { recipients, together, online, processes, perSecond, measuredMs, patienceMs } = parameters.notify

/**
 * One call for many people, beside a call for each; and a stream of notifications to people who are online, beside how
 * long the sender waits for the answer.
 */
export async function measureNotify(log: (line: string) => void): Promise<Row[]> {
  const server = await coweave.start()
  try {
    return [await measureMany(server), ...(await measureOnline(server, log))]
  } finally {
    await server.stop()
  }
}

async function measureMany(server: RunningPeer): Promise<Row> {
  const users = (prefix: string) => Array.from({ length: recipients }, (_, index) => `${prefix}-${index}`)
  const inOne = await timed(() => notify(server, users('one')))
  const queue = users('each').values()
  const eachAlone = await timed(() =>
    Promise.all(
      Array.from({ length: together }, async () => {
        for (const user of queue) await notify(server, [user])
      }),
    ),
  )
  return {
    measure: `notify ${recipients} people in one call, ms (beside a call for each)`,
    ours: inOne,
    theirs: eachAlone,
  }
}

async function measureOnline(server: RunningPeer, log: (line: string) => void): Promise<Row[]> {
  const users = Array.from({ length: online }, (_, index): NotifyUser => {
    const user = `online-${index}`
    return { user, token: tokenFor(user) }
  })
  const children = Array.from({ length: processes }, () =>
    fork(fileURLToPath(new URL('notify-clients.ts', import.meta.url))),
  )
  try {
    const { origin } = new URL(server.url.replace(/^ws/, 'http'))
    await Promise.all(
      children.map((child, index) => {
        const own = users.filter((_, nth) => nth % processes === index)
        return ask(child, { order: 'open', url: origin, users: own })
      }),
    )
    log(`notify: ${online} people are online`)
    const answered = await sendEvenly(server, users)
    const delays = await allSeen(children, answered.length)
    log(`notify: ${answered.length} sent in ${measuredMs} ms, ${answered.length - delays.length} lost`)
    if (delays.length !== answered.length) throw new Error('notifications are lost, or were there twice')
    const row = (name: string, part: number): Row => ({
      measure: `${perSecond} notifications a second, ${online} people online: ${name} until seen, ms (beside until answered)`,
      ours: percentile(delays, part),
      theirs: percentile(answered, part),
    })
    return [row('p50', 0.5), row('p99', 0.99)]
  } finally {
    const order: NotifyOrder = { order: 'close' }
    for (const child of children) if (child.connected) child.send(order)
  }
}

/** Resolves with how long each call took, ms. */
async function sendEvenly(server: RunningPeer, users: readonly NotifyUser[]): Promise<number[]> {
  const calls: Promise<number>[] = []
  const startedAt = performance.now()
  const total = (perSecond * measuredMs) / 1000
  while (calls.length < total) {
    const due = Math.min(total, Math.ceil(((performance.now() - startedAt) * perSecond) / 1000))
    while (calls.length < due) {
      const { user } = users[(calls.length * 7919) % users.length] ?? { user: '' }
      calls.push(timed(() => notify(server, [user])))
    }
    await delay(5)
  }
  return Promise.all(calls)
}

async function allSeen(children: readonly ChildProcess[], count: number): Promise<number[]> {
  const deadline = Date.now() + patienceMs
  for (;;) {
    const reports = await Promise.all(children.map((child) => ask(child, { order: 'report' })))
    const delays = reports.flatMap((report) => (report.phase === 'seen' ? report.delays : []))
    if (delays.length >= count || Date.now() > deadline) return delays
    await delay(100)
  }
}

async function notify({ url }: RunningPeer, to: readonly string[]): Promise<void> {
  const { origin } = new URL(url.replace(/^ws/, 'http'))
  const response = await fetch(`${origin}/api/notifications`, {
    method: 'POST',
    headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' },
    body: JSON.stringify({ to, kind: 'bench', title: String(Date.now()) }),
  })
  if (!response.ok) throw new Error(`the server answered ${response.status}: ${await response.text()}`)
  await response.body?.cancel()
}

const admin = tokenFor('backend', { admin: true })

async function ask(child: ChildProcess, order: NotifyOrder): Promise<NotifyReport> {
  const answered = once(child, 'message')
  child.send(order)
  const [report]: NotifyReport[] = await answered
  if (report === undefined) throw new Error('a process of clients says nothing')
  return report
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await act()
  return performance.now() - startedAt
}
