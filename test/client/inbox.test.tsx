import type { ReactNode } from 'react'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { CoweaveProvider, type InboxView, useInbox } from '../../client/react/index.ts'
import { closeSessions, openSession, whenState } from '../support/client-session.ts'
import { notify } from '../support/inbox.ts'
import { act, render, shown } from '../support/react.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let users = 0

beforeAll(async () => {
  server = await startServer()
})
afterAll(async () => {
  expect(await server.stop()).toBe(0)
})
afterEach(closeSessions)

/** A user with unread notifications of these titles. */
async function userWith(...titles: readonly string[]): Promise<string> {
  users += 1
  for (const title of titles) await notify(server, { to: [`user-${users}`], title })
  return `user-${users}`
}

describe('session.inbox()', () => {
  test('has the newest first, counts the unread ones, and says what happens on other devices', async () => {
    const as = await userWith('a', 'b', 'c')
    const [phone, laptop] = [openSession(server, { as }).inbox(), openSession(server, { as, user: as }).inbox()]
    const { notifications } = await whenState(phone.state, ({ unread }) => unread === 3)
    expect(notifications.map(({ title }) => title)).toEqual(['c', 'b', 'a'])
    phone.markRead(notifications[2]?.id ?? '')
    expect(phone.state.get().unread).toBe(2)
    await whenState(laptop.state, ({ notifications: [, , a] }) => a?.readAt !== undefined)
    laptop.dismiss(notifications[1]?.id ?? '')
    await whenState(phone.state, ({ notifications }) => notifications.length === 2)
    laptop.markAllRead()
    await whenState(phone.state, ({ unread }) => unread === 0)
    const before = phone.state.get()
    phone.markAllRead()
    phone.markRead('unknown')
    phone.dismiss('unknown')
    expect(phone.state.get()).toBe(before)
  })

  test('takes marks without a connection, and brings them when there is one', async () => {
    const as = await userWith('a', 'b')
    const inbox = openSession(server, { as }).inbox()
    const { notifications } = await whenState(inbox.state, ({ unread }) => unread === 2)
    await server.stop()
    await whenState(inbox.state, ({ status }) => status.kind === 'offline')
    inbox.markRead(notifications[0]?.id ?? '')
    inbox.dismiss(notifications[1]?.id ?? '')
    expect(inbox.state.get()).toMatchObject({ unread: 0, notifications: [{ title: 'b' }] })
    server = await server.restart()
    const other = openSession(server, { as }).inbox()
    const state = await whenState(other.state, ({ ready, notifications }) => ready && notifications.length === 1)
    expect(state.notifications[0]?.title).toBe('b')
    await whenState(other.state, ({ unread }) => unread === 0)
  })

  test('ends with its handle and with its session', async () => {
    const session = openSession(server, { as: await userWith('a') })
    const inbox = session.inbox()
    await whenState(inbox.state, ({ unread }) => unread === 1)
    inbox.destroy()
    inbox.destroy()
    inbox.markAllRead()
    expect(inbox.state.get().unread).toBe(1)
    session.close()
    expect(() => session.inbox()).toThrow('closed')
  })
})

test('useInbox shows the inbox, and acts in it', async () => {
  const as = await userWith('a', 'b')
  const views: InboxView[] = []
  function Bell(): ReactNode {
    const view = useInbox()
    views.push(view)
    return `${view.ready ? 'ready' : 'wait'} ${view.unread} ${view.notifications.map(({ title }) => title)}`
  }
  const page = await render(
    <CoweaveProvider session={openSession(server, { as })}>
      <Bell />
    </CoweaveProvider>,
  )
  await shown(() => page.text === 'ready 2 b,a')
  await act(() => views.at(-1)?.markAllRead())
  await shown(() => page.text === 'ready 0 b,a')
  await act(() => views.at(-1)?.dismiss(views.at(-1)?.notifications[0]?.id ?? ''))
  await shown(() => page.text === 'ready 0 a')
})
