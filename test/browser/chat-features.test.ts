import { AxeBuilder } from '@axe-core/playwright'
import type { Browser, Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isSoak } from '../support/random.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'
import { ChatPage } from './chat-page.ts'
import { launchChromium } from './chromium.ts'
import { DemoPage } from './demo-page.ts'

let server: TestServer
let browser: Browser

beforeAll(async () => {
  server = await startServer({ demo: true, environment: { CHAT_SEGMENT_MESSAGES: '40' } })
  browser = await launchChromium()
})
afterAll(async () => {
  await browser?.close()
  await server?.stop()
})

const polled = { timeout: 20_000 }
const open = (name: string, document: string) => DemoPage.open(browser, `${server.url}/d/${document}`, { name })

async function openChats(document: string): Promise<[DemoPage, ChatPage, DemoPage, ChatPage]> {
  const [ann, ben] = await Promise.all([open('Ann Archer', document), open('Ben Baker', document)])
  return [ann, await ChatPage.open(ann), ben, await ChatPage.open(ben)]
}

async function commentAsAgent(document: string, comment: Readonly<Record<string, unknown>>): Promise<void> {
  const post = (path: string, body: unknown, headers = {}) =>
    fetch(server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
  const { token } = await (await post('/api/demo/token', { user: 'scribe', name: 'Scribe', agent: true })).json()
  const path = `/api/documents/${encodeURIComponent(document)}/comments`
  const answer = await post(path, comment, { authorization: `Bearer ${token}` })
  expect(answer.status, await answer.text()).toBe(201)
}

describe('what can be done in the chat', () => {
  test('replies, edits, reactions and deletions reach the other', async () => {
    const [ann, anns, ben, bens] = await openChats('notes/actions')
    await anns.send('Shall we meet on Monday?')
    await bens.message('Monday').waitFor()
    await bens.act('Monday', 'Reply')
    await bens.send('Better on Tuesday')
    const reply = anns.message('Better on Tuesday')
    await reply.getByText('Shall we meet on Monday?').waitFor()
    await reply.getByRole('button', { name: /In reply to/ }).click()
    await expect
      .poll(() => anns.message('meet on Monday').evaluate((item) => item === document.activeElement), polled)
      .toBe(true)

    await anns.act('meet on Monday', 'Edit')
    await expect.poll(() => anns.field.inputValue(), polled).toBe('Shall we meet on Monday?')
    await anns.send('Shall we meet on Wednesday?')
    await bens.expectTexts('Shall we meet on Wednesday?', 'Better on Tuesday')
    await bens.message('Wednesday').getByText('edited').waitFor()

    await bens.act('Wednesday', 'React')
    await ben.page.getByRole('button', { name: 'Thumbs up' }).click()
    await anns.act('Wednesday', 'React')
    await ann.page.getByRole('button', { name: 'Thumbs up' }).click()
    await bens
      .message('Wednesday')
      .getByRole('button', { name: /^👍 2: / })
      .waitFor()
    await bens.message('Wednesday').getByRole('button', { name: /^👍/ }).click()
    await anns.message('Wednesday').getByRole('button', { name: '👍 1: You' }).waitFor()

    expect(await bens.message('Wednesday').getByRole('button', { name: 'Delete' }).count(), 'not one’s own').toBe(0)
    await bens.act('Better on Tuesday', 'Delete')
    await ben.button('Delete message').click()
    await anns.expectTexts('Shall we meet on Wednesday?', 'Message deleted')
    await bens.expectTexts('Shall we meet on Wednesday?', 'Message deleted')
    for (const person of [ann, ben]) await person.close()
  })

  test('shows who is typing, and that they have stopped', async () => {
    const [ann, anns, ben, bens] = await openChats('notes/typing')
    await bens.field.pressSequentially('Let me think')
    const typists = anns.panel.getByTestId('typists')
    await expect.poll(() => typists.textContent(), polled).toBe('Ben Baker is typing…')
    await expect.poll(() => typists.textContent(), polled).toBe('')
    await bens.field.press('End')
    await bens.field.pressSequentially('…')
    await expect.poll(() => typists.textContent(), polled).toBe('Ben Baker is typing…')
    await bens.field.press('Enter')
    await anns.expectTexts('Let me think…')
    await expect.poll(() => typists.textContent(), polled).toBe('')
    expect(await bens.panel.getByTestId('typists').textContent(), 'oneself is not told').toBe('')
    for (const person of [ann, ben]) await person.close()
  })

  test('text stays text, lines stay lines, and web addresses can be followed', async () => {
    const [ann, anns, ben, bens] = await openChats('notes/text')
    const html = '<img src=x onerror="document.title=\'forged\'"><b>bold</b> javascript:alert(1)'
    await anns.send(html)
    await anns.field.pressSequentially('first line')
    await anns.field.press('Shift+Enter')
    await anns.field.pressSequentially('see https://example.org/a?b=<c>, (http://example.com/).')
    await anns.field.press('Enter')
    await bens.expectTexts(html, 'first line\nsee https://example.org/a?b=<c>, (http://example.com/).')
    expect(await bens.messages.locator('img, b').count()).toBe(0)
    expect(await ben.page.title()).not.toBe('forged')
    const links = bens.messages.getByRole('link')
    expect(
      await links.evaluateAll((all) => all.map((link) => [link.getAttribute('href'), link.getAttribute('rel')])),
    ).toEqual([
      ['https://example.org/a?b=', 'noopener noreferrer nofollow'],
      ['http://example.com/', 'noopener noreferrer nofollow'],
    ])
    for (const person of [ann, ben]) await person.close()
  })

  test('a comment stays with its text when the text around it is edited, and leads to it', async () => {
    const [ann, anns, ben, bens] = await openChats('notes/comments')
    await ann.write('The quick brown fox')
    await expect.poll(() => ben.lines(), polled).toEqual(['The quick brown fox'])
    await ann.text.press('Control+End')
    await select(ann, 'Shift+ArrowLeft', 'brown fox')
    await ann.button('Comment').click()
    await anns.panel.getByText('Comment on brown fox').waitFor()
    await anns.send('Are foxes brown?')
    const quote = bens.message('Are foxes brown?').getByRole('button', { name: 'About the text brown fox' })
    await quote.waitFor()

    const marks = (page: DemoPage) => page.text.locator('.comment-mark').allTextContents()
    const expectMarks = async () => {
      for (const page of [ann, ben]) await expect.poll(() => marks(page), polled).toEqual(['brown fox'])
    }
    await expectMarks()
    await ben.text.press('Control+Home')
    await ben.page.keyboard.type('Before: ')
    await ben.page.keyboard.press('Control+End')
    await ben.page.keyboard.type(' jumps')
    await expect.poll(() => ann.lines(), polled).toEqual(['Before: The quick brown fox jumps'])
    await expectMarks()
    // By hand: arrow keys stumble over others' carets when the page is slow.
    await ben.text.evaluate((text) => {
      const before = [...(text.querySelector('p')?.childNodes ?? [])].find((node) =>
        node.textContent?.endsWith(' quick '),
      )
      if (before === undefined) throw new Error('there is no text before the mark')
      getSelection()?.collapse(before, 'Before: The quick'.length)
    })
    await ben.page.keyboard.press('Enter')
    await expect.poll(() => ann.lines(), polled).toEqual(['Before: The quick', ' brown fox jumps'])
    await expectMarks()
    await quote.click()
    await expect.poll(() => ben.text.locator('.comment-active').allTextContents(), polled).toEqual(['brown fox'])

    await commentAsAgent('notes/comments', { find: 'quick', text: 'How quick?' })
    const agents = anns.message('How quick?')
    await agents.getByRole('button', { name: 'About the text quick' }).waitFor()
    await anns.panel.getByText('Agent', { exact: true }).waitFor()
    for (const page of [ann, ben]) await expect.poll(() => marks(page), polled).toEqual(['quick', 'brown fox'])
    await ann.page.getByRole('button', { name: /^3 people are here: .*Scribe \(agent\)/ }).waitFor()
    const caret = ben.caretOf('Scribe · Agent')
    await caret.waitFor()
    const colorOf = (part: Locator) => part.evaluate((item) => getComputedStyle(item).getPropertyValue('--person'))
    expect(await colorOf(caret)).toBe(await colorOf(ben.faceOf('Scribe').locator('.avatar')))

    await ann.text.focus()
    await ann.page.keyboard.press('Control+a')
    await ann.page.keyboard.press('Delete')
    await bens.message('Are foxes brown?').getByText('The text this was about is gone').waitFor()
    for (const person of [ann, ben]) await person.close()
  })

  test('somebody who is here can be written to directly, and is told so', async () => {
    const [ann, ben, cem] = await Promise.all(
      ['Ann Archer', 'Ben Baker', 'Cem Cook'].map((name) => open(name, 'notes/direct')),
    )
    if (ann === undefined || ben === undefined || cem === undefined) throw new Error('somebody is missing')
    await ann.page.getByRole('button', { name: /^3 people are here/ }).click()
    await ann.page.getByRole('button', { name: 'Message Ben Baker', exact: true }).click()
    const [anns, bens] = [new ChatPage(ann), new ChatPage(ben)]
    await anns.panel.getByRole('heading', { name: 'Ben Baker' }).waitFor()
    await anns.send('Just between us')
    await anns.expectTick('Just between us', 'Stored')

    await bens.expectUnread(1)
    await ChatPage.open(ben)
    await bens.expectTexts()
    await bens.panel.getByRole('button', { name: 'Ann Archer wrote to you, 1 unread' }).click()
    await bens.expectTexts('Just between us')
    await anns.expectTick('Just between us', 'Read by all')
    await bens.send('And so it stays')
    await anns.expectTexts('Just between us', 'And so it stays')
    await bens.panel.getByRole('button', { name: 'Back to the document’s chat' }).click()
    await bens.panel.getByRole('heading', { name: 'Chat' }).waitFor()
    await bens.expectTexts()
    await bens.expectUnread(0)

    const cems = await ChatPage.open(cem)
    await cems.expectTexts()
    await cems.expectUnread(0)
    for (const person of [ann, ben, cem]) await person.close()
  })

  test('earlier messages come by scrolling up, and any is found by searching', async () => {
    const ann = await open('Ann Archer', 'notes/long')
    const anns = await ChatPage.open(ann)
    for (let count = 1; count <= 90; count++) await anns.send(`Message number ${count} of many`)
    await anns.expectTick('Message number 90 of many', 'Stored')
    await ann.page.reload()
    await ann.text.waitFor()
    await ChatPage.open(ann)
    await anns.message('Message number 90 of many').waitFor()
    expect(await anns.message('Message number 5 of many').count()).toBe(0)
    const scroller = anns.panel.locator('.messages')
    await expect
      .poll(async () => {
        await scroller.hover()
        await ann.page.mouse.wheel(0, -4000)
        return anns.message('Message number 5 of many').count()
      }, polled)
      .toBe(1)

    await ann.page.reload()
    await ann.text.waitFor()
    await ChatPage.open(ann)
    await anns.panel.getByRole('button', { name: 'Search' }).click()
    await anns.panel.getByRole('searchbox').fill('number 7')
    await anns.panel.getByRole('list', { name: 'Found messages' }).getByText('Message number 7 of many').click()
    await expect
      .poll(() => ann.page.evaluate(() => document.activeElement?.textContent ?? ''), polled)
      .toContain('Message number 7 of many')
    await ann.close()
  })
})

test('who may only read can’t write in the chat; who may comment can, also about text that they can’t change', async () => {
  const guarded = await startServer()
  const openAs = (user: string, level: string) => {
    const token = tokenFor(user, { name: user, access: { 'notes/rights': level } })
    return DemoPage.open(browser, `${guarded.url}/d/notes/rights#token=${token}`, { name: 'unused' })
  }
  const wim = await openAs('wim', 'write')
  await wim.write('Only to be read')
  const wims = await ChatPage.open(wim)
  await wims.send('Any comments?')
  await wims.expectTick('Any comments?', 'Stored')

  const rea = await openAs('rea', 'read')
  const reas = new ChatPage(rea)
  await reas.expectUnread(1)
  await rea.button('Chat, 1 unread').click()
  await reas.panel.getByText('You may read this chat, but not write in it.').waitFor()
  await reas.expectTexts('Any comments?')
  await reas.expectUnread(0)
  expect(await reas.field.count()).toBe(0)
  expect(await reas.panel.getByRole('button', { name: 'Reply' }).count()).toBe(0)

  const cor = await openAs('cor', 'comment')
  await cor.expectStatus('Read only')
  await cor.text.getByText('Only to be read').click({ clickCount: 3 })
  await cor.button('Comment').click()
  const cors = new ChatPage(cor)
  await cors.panel.getByText('Comment on Only to be read').waitFor()
  await cors.send('Not by me')
  await wims.message('Not by me').getByRole('button', { name: 'About the text Only to be read' }).waitFor()
  await wims.expectTick('Any comments?', 'Read by all')
  for (const person of [wim, rea, cor]) await person.close()
  await guarded.stop()
})

/** What axe finds serious or critical, with where. */
async function faults(page: Page): Promise<string[]> {
  const { violations, passes } = await new AxeBuilder({ page }).analyze()
  expect(passes.length).toBeGreaterThan(10) // it did look
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')}: ${failureSummary}`),
    )
}

const narrow = { colorScheme: 'dark', width: 320 } as const

test.runIf(isSoak).each([narrow, { colorScheme: 'light', width: 1280 } as const])(
  'axe finds nothing serious in the chat, $colorScheme at $width px',
  async ({ colorScheme, width }) => {
    const options = { colorScheme, viewport: { width, height: 700 }, reducedMotion: 'reduce' } as const
    const url = `${server.url}/d/notes/chat-axe-${colorScheme}`
    const ann = await DemoPage.open(browser, url, { name: 'Ann Archer' }, options)
    const ben = await DemoPage.open(browser, url, { name: 'Ben Baker', color: '#0f766e' })
    const anns = await ChatPage.open(ann)
    expect(await faults(ann.page), 'an empty chat').toEqual([])
    const bens = await ChatPage.open(ben)
    await bens.send('Hello, see https://example.org')
    await anns.send('Hello yourself')
    await anns.send('oops')
    await anns.act('oops', 'Delete')
    await ann.button('Delete message').click()
    await anns.act('Hello, see', 'Reply')
    await anns.send('I did')
    await anns.act('Hello, see', 'React')
    expect(await faults(ann.page), 'the picker').toEqual([])
    await ann.page.getByRole('button', { name: 'Party' }).click()
    await anns.message('Hello, see').getByRole('button', { name: '🎉 1: You' }).waitFor()
    await anns.act('Hello yourself', 'Edit')
    expect(await faults(ann.page), 'messages').toEqual([])
    await ann.page.keyboard.press('Escape')
    await anns.field.waitFor()
    await anns.panel.getByRole('button', { name: 'Search' }).click()
    await anns.panel.getByRole('searchbox').fill('hello')
    await anns.panel.getByRole('list', { name: 'Found messages' }).getByRole('button').first().waitFor()
    expect(await faults(ann.page), 'the search').toEqual([])
    await ann.page.keyboard.press('Escape')
    await ann.page.context().setOffline(true)
    await anns.panel.getByText(/^Offline/).waitFor()
    await anns.send('later')
    await anns.expectTick('later', 'Kept in this browser')
    expect(await faults(ann.page), 'offline').toEqual([])
    const overflow = await ann.page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    expect(overflow, 'nothing sticks out at the side').toBeLessThanOrEqual(0)
    for (const person of [ann, ben]) await person.close()
  },
)

/** Extends the selection with `key` until it is `wanted`: arrow keys stumble over others' carets when a page is slow. */
async function select(page: DemoPage, key: string, wanted: string): Promise<void> {
  const selected = () => page.page.evaluate(() => getSelection()?.toString())
  for (let presses = 0; presses < 3 * wanted.length && (await selected()) !== wanted; presses += 1) {
    await page.page.keyboard.press(key)
  }
  expect(await selected()).toBe(wanted)
}
