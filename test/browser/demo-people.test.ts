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

test('names are completed by keyboard and by mouse', async () => {
  const [ada, nat] = await Promise.all([open('Ada Names', 'notes/names'), open('Nat Names', 'notes/names')])
  await ada.faceOf('Nat Names').waitFor()
  const [chat, nats] = [await ChatPage.open(ada), await ChatPage.open(nat)]
  const list = chat.panel.getByRole('listbox', { name: 'People to mention' })
  const options = () => list.getByRole('option').allTextContents()
  const active = async () => {
    const id = await chat.field.getAttribute('aria-activedescendant')
    return id === null ? undefined : ada.page.locator(`[id="${id}"][aria-selected="true"] > :last-child`).textContent()
  }
  const mentions = chat.panel.getByText(/^Mentions /)

  await chat.field.pressSequentially('Hello @names')
  await list.waitFor()
  expect(await options(), 'oneself is not called').toEqual(['NNNat Names'])
  await expectNoFaults(ada, 'the list of names')
  await chat.field.press('Escape')
  await list.waitFor({ state: 'detached' })
  await chat.field.fill('')

  const other = await open('Nate Other', 'notes/elsewhere')
  await member(ada, 'Nate Other', 'Online, in Elsewhere').waitFor()
  await chat.field.pressSequentially('@nat')
  await list.waitFor()
  expect(await options()).toEqual(['NNNat Names', 'NONate Other'])
  const order = [await active()]
  for (const key of ['ArrowDown', 'ArrowDown', 'ArrowUp']) {
    await chat.field.press(key)
    order.push(await active())
  }
  expect(order).toEqual(['Nat Names', 'Nate Other', 'Nat Names', 'Nate Other'])
  await chat.field.press('Tab')
  expect(await chat.field.inputValue()).toBe('@Nate Other ')
  await chat.field.press('Backspace')
  expect(await list.count(), 'a whole name needs no completion').toBe(0)
  await chat.field.press('Backspace')
  await mentions.waitFor({ state: 'detached' })
  await chat.field.fill('')

  await chat.field.pressSequentially('Look, @nat names')
  await chat.field.press('Enter')
  await chat.field.pressSequentially('and @nate')
  await list.getByRole('option', { name: 'Nate Other' }).click()
  await expectFocused(chat.field)
  expect(await mentions.textContent()).toBe('Mentions Nat Names, Nate Other')
  await chat.field.pressSequentially('!')
  await chat.field.press('Enter')
  await nats.expectTexts('Look, @Nat Names and @Nate Other !')
  const called = nats.message('Look').locator('.mention')
  await expect.poll(() => called.allTextContents(), polled).toEqual(['@Nat Names', '@Nate Other'])
  expect(await called.evaluateAll((names) => names.map((name) => name.getAttribute('data-self')))).toEqual([
    'true',
    'false',
  ])
  for (const person of [ada, nat, other]) await person.close()
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

test('who is mentioned while elsewhere finds the message', async () => {
  const [ada, bob] = await Promise.all([open('Ada Calls', 'notes/calls'), open('Bob Calls', 'notes/elsewhere')])
  await member(ada, 'Bob Calls', 'Online, in Elsewhere').waitFor()

  const chat = await ChatPage.open(ada)
  await chat.send('Nobody is called here')
  await chat.field.pressSequentially('Please read this, @bob c')
  await chat.field.press('Enter')
  await chat.field.press('Enter')
  for (let number = 1; number <= 12; number += 1) await chat.send(`Later ${number}\n\n\n`)
  await bell(bob, 1).click()
  await inbox(bob)
    .getByRole('link', { name: /Ada Calls mentioned you in Calls/ })
    .click()
  await bob.page.waitForURL(/\/d\/notes\/calls$/)
  const bobs = new ChatPage(bob)
  await expectFocused(bobs.message('Please read this'))
  await bell(bob, 0).waitFor()
  for (const person of [ada, bob]) await person.close()
})
