import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { ChatPage } from './chat-page.ts'
import { launchChromium } from './chromium.ts'
import { DemoPage } from './demo-page.ts'

let server: TestServer
let browser: Browser

beforeAll(async () => {
  server = await startServer({ demo: true, environment: { CHAT_SEGMENT_MESSAGES: '8' } })
  browser = await launchChromium()
})
afterAll(async () => {
  await browser?.close()
  await server?.stop()
})

const open = (name: string, document: string) => DemoPage.open(browser, `${server.url}/d/${document}`, { name })

describe('the chat beside a document', () => {
  test('[promise 2] two people chat, one is offline, both write, it comes back: one list, true ticks and counts', async () => {
    const [ann, ben] = await Promise.all([open('Ann Archer', 'notes/chat'), open('Ben Baker', 'notes/chat')])
    const [anns, bens] = [await ChatPage.open(ann), new ChatPage(ben)]
    await anns.send('Hello')
    await anns.expectTick('Hello', 'Stored')
    await bens.expectUnread(1)
    await ChatPage.open(ben)
    await bens.expectTexts('Hello')
    await bens.expectUnread(0)
    await anns.expectTick('Hello', 'Read by all')
    await bens.send('Hello yourself')
    await bens.expectTick('Hello yourself', 'Read by all')

    await ann.page.context().setOffline(true)
    await ann.expectStatus(/^Offline/)
    await anns.send('Written far away')
    await anns.send('and once more')
    await anns.expectTick('Written far away', 'Kept in this browser')
    await bens.send('Where are you?')
    await bens.send('Anybody?')
    await bens.expectTick('Anybody?', 'Stored')
    await bens.close()

    await ann.page.context().setOffline(false)
    await anns.expectTexts('Hello', 'Hello yourself', 'Where are you?', 'Anybody?', 'Written far away', 'and once more')
    await anns.expectTick('and once more', 'Stored')
    await bens.expectUnread(2)
    await ChatPage.open(ben)
    await bens.expectTexts(...(await anns.texts()))
    await expect.poll(async () => `${await bens.ids()}` === `${await anns.ids()}`, { timeout: 20_000 }).toBe(true)
    await bens.expectUnread(0)
    await anns.expectUnread(0)
    await anns.expectTick('and once more', 'Read by all')
    await bens.expectTick('Anybody?', 'Read by all')
    await expect(bens.panel.getByText('New messages').count()).resolves.toBe(1)
    for (const person of [ann, ben]) await person.close()
  })

  test.each([
    { page: 'open', document: 'notes/moves' },
    { page: 'closed', document: 'notes/moves-later' },
  ])(
    'messages written offline into a part that is full by then move to the open one; page $page meanwhile',
    async ({ page, document }) => {
      const [ann, ben] = await Promise.all([open('Ann Archer', document), open('Ben Baker', document)])
      const [anns, bens] = [await ChatPage.open(ann), await ChatPage.open(ben)]
      await anns.send('one')
      await anns.expectTick('one', 'Read by all')
      await bens.send('zero')
      await anns.message('zero').waitFor()
      await ann.page.context().setOffline(true)
      await ann.expectStatus(/^Offline/)
      // They concern messages that are there already, and are as good as if the part were still open.
      await anns.act('one', 'Edit')
      await anns.send('one, edited')
      await anns.act('zero', 'React')
      await ann.page.getByRole('button', { name: 'Party' }).click()
      for (const text of ['two', 'three', 'four']) await anns.send(text)
      const offline = await anns.ids()
      await anns.expectTick('four', 'Kept in this browser')
      if (page === 'closed') await ann.restart()
      for (let count = 1; count <= 9; count++) await bens.send(`full ${count}`)
      await bens.expectTick('full 9', 'Stored')

      await ann.page.context().setOffline(false)
      if (page === 'closed') {
        await ann.page.goto(`${server.url}/d/${document}`)
        await ChatPage.open(ann)
      }
      const texts = [
        'one, edited',
        'zero',
        ...Array.from({ length: 9 }, (_, index) => `full ${index + 1}`),
        'two',
        'three',
        'four',
      ]
      await anns.expectTexts(...texts)
      await bens.expectTexts(...texts)
      await anns.expectTick('four', 'Read by all')
      expect((await anns.ids()).filter((id) => offline.includes(id))).toEqual(offline)
      await expect.poll(async () => `${await bens.ids()}` === `${await anns.ids()}`, { timeout: 20_000 }).toBe(true)
      await bens
        .message('zero')
        .getByRole('button', { name: /^🎉 1: Ann Archer/ })
        .waitFor()
      await ann.page.reload()
      await ann.text.waitFor()
      await ChatPage.open(ann)
      await anns.expectTexts(...texts)
      for (const person of [ann, ben]) await person.close()
    },
  )

  test('what the server refuses is told, keeps the connection, and can be sent again', async () => {
    const [ann, ben] = await Promise.all([open('Ann Archer', 'notes/refused'), open('Ben Baker', 'notes/refused')])
    const [anns, bens] = [await ChatPage.open(ann), await ChatPage.open(ben)]
    await anns.send('before')
    await bens.expectTexts('before')
    await ann.page.evaluate(() => {
      const now = Date.now
      Date.now = () => now() + 10 * 60_000
      Object.assign(window, { restoreClock: () => Object.assign(Date, { now }) })
    })
    await anns.send('from the future')
    await anns
      .message('from the future')
      .getByText(/^Not sent: .*ahead/)
      .waitFor()
    await anns.send('also ahead')
    await anns
      .message('also ahead')
      .getByText(/^Not sent: .*ahead/)
      .waitFor()
    await ann.expectStatus('Saved')
    await bens.send('I see nothing')
    await anns.message('I see nothing').waitFor()
    await bens.expectTexts('before', 'I see nothing')

    await ann.page.evaluate('restoreClock()')
    await anns.message('from the future').getByRole('button', { name: 'Try again' }).click()
    await anns.expectTick('from the future', 'Read by all')
    await anns.message('also ahead').hover()
    await anns.act('also ahead', 'Delete')
    await ann.button('Delete message').click()
    await anns.expectTexts('before', 'I see nothing', 'from the future')
    await bens.expectTexts('before', 'I see nothing', 'from the future')
    for (const person of [ann, ben]) await person.close()
  })
})
