import { AxeBuilder } from '@axe-core/playwright'
import jwt from 'jsonwebtoken'
import type { Browser, Locator } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { ChatPage } from './chat-page.ts'
import { launchChromium } from './chromium.ts'
import { DemoPage } from './demo-page.ts'

const DEMO_SECRET = 'a demo secret for tests, long enough for HS256'
const polled = { timeout: 20_000 }

let server: TestServer
let browser: Browser

beforeAll(async () => {
  server = await startServer({ demo: true, environment: { DEMO_SECRET } })
  browser = await launchChromium()
})
afterAll(async () => {
  await browser?.close()
  await server?.stop()
})

const open = (name: string, document: string) => DemoPage.open(browser, `${server.url}/d/${document}`, { name })

const lobbyOf = ({ page }: DemoPage): Locator => page.getByRole('region', { name: 'People', exact: true })

/** Somebody as another one sees them. */
const member = (demo: DemoPage, name: string, state: string) =>
  lobbyOf(demo).getByRole('button', { name: `${name}, ${state}`, exact: true })

async function choose({ page }: DemoPage, status: string): Promise<void> {
  await page.getByRole('button', { name: /^Your status/ }).click()
  await page.getByRole('dialog', { name: 'Your status' }).getByRole('button', { name: status }).click()
  await page.getByRole('button', { name: `Your status: ${status}` }).waitFor()
}

const bell = ({ page }: DemoPage, unread: number) =>
  page.getByRole('button', { name: unread > 0 ? `Notifications, ${unread} unread` : 'Notifications', exact: true })

const inbox = ({ page }: DemoPage) => page.getByRole('dialog', { name: 'Notifications' })

async function notify(user: string, notification: Readonly<Record<string, string>>): Promise<void> {
  const token = jwt.sign({ admin: true }, DEMO_SECRET, { subject: 'back end', expiresIn: 600 })
  const response = await fetch(`${server.url}/api/notifications`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ to: [user], kind: 'order', ...notification }),
  })
  expect(response.status, await response.text()).toBe(200)
}

async function expectFocused(element: Locator): Promise<void> {
  await expect.poll(() => element.evaluate((item) => item === document.activeElement), polled).toBe(true)
}

async function expectNoFaults(demo: DemoPage, where: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page: demo.page }).analyze()
  const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
  expect(
    grave.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(' ')}`)),
    where,
  ).toEqual([])
}

test('the lobby shows who is there, what they do, and when they were last seen', async () => {
  const [ada, bob] = await Promise.all([open('Ada Lobby', 'notes/lobby-one'), open('Bob Lobby', 'notes/lobby-two')])
  await member(ada, 'Bob Lobby', 'Online, in Lobby two').waitFor()
  await member(bob, 'Ada Lobby', 'Online, in Lobby one').waitFor()

  await choose(bob, 'Busy')
  await member(ada, 'Bob Lobby', 'Busy, in Lobby two').waitFor()
  const tab = await bob.openTab(`${server.url}/d/notes/lobby-three`)
  await tab.page.getByRole('button', { name: 'Your status: Busy' }).waitFor()
  await member(ada, 'Bob Lobby', 'Busy, in Lobby three').waitFor()
  await choose(tab, 'Away')
  await member(ada, 'Bob Lobby', 'Away, in Lobby three').waitFor()
  await bob.page.getByRole('button', { name: 'Your status: Away' }).waitFor()

  await member(ada, 'Bob Lobby', 'Away, in Lobby three').click()
  const chat = new ChatPage(ada)
  await expectFocused(chat.field)
  await chat.panel.getByRole('button', { name: 'Call Bob Lobby' }).waitFor()
  await chat.send('Are you there?')
  await lobbyOf(bob).getByRole('button', { name: 'Ada Lobby, Online, in Lobby one, 1 unread' }).click()
  await new ChatPage(bob).expectTexts('Are you there?')

  await bob.close()
  await member(ada, 'Bob Lobby', 'Last seen just now').waitFor()
  await expectNoFaults(ada, 'the lobby')
  await ada.close()
})

test('the bell counts, and leads to what happened', async () => {
  const ada = await open('Ada Bell', 'notes/bell')
  await bell(ada, 0).click()
  await inbox(ada).getByText('Nothing new').waitFor()
  await notify('ada-bell', { title: 'First', body: 'It has begun' })
  await notify('ada-bell', { title: 'Second', link: '/d/notes/bell-two' })
  await notify('ada-bell', { title: 'Third', link: '/d/dm/ada-bell%2Ccem' })
  await bell(ada, 3).waitFor()
  await expectNoFaults(ada, 'the inbox')

  await inbox(ada).getByRole('button', { name: 'Unread: First' }).click()
  await bell(ada, 2).waitFor()
  await inbox(ada).getByRole('link', { name: 'Unread: Second' }).click()
  await ada.page.waitForURL(/\/d\/notes\/bell-two$/)
  await ada.text.waitFor()
  await bell(ada, 1).click()
  await inbox(ada).getByRole('button', { name: 'Dismiss: Second' }).click()
  await expectFocused(inbox(ada).getByRole('button', { name: 'Dismiss: First' }))
  expect(await inbox(ada).getByRole('listitem').count()).toBe(2)
  await inbox(ada).getByRole('button', { name: 'Mark all read' }).click()
  await bell(ada, 0).waitFor()
  await inbox(ada)
    .getByRole('link', { name: /^Third/ })
    .click()
  await ada.page.getByRole('textbox', { name: 'Message to cem' }).waitFor()
  expect(new URL(ada.page.url()).pathname, 'beside the document that was open').toBe('/d/notes/bell-two')
  await ada.close()
})
