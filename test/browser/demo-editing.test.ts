import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { launchChromium } from './chromium.ts'
import { DemoPage } from './demo-page.ts'

let server: TestServer
let browser: Browser

beforeAll(async () => {
  server = await startServer({ demo: true })
  browser = await launchChromium()
})
afterAll(async () => {
  await browser?.close()
  await server?.stop()
})

const open = (name: string, document: string) => DemoPage.open(browser, `${server.url}/d/${document}`, { name })
const polled = { timeout: 15_000 }

describe('the demo, several people in one document', () => {
  test('[promise 2] two people who type at once end with the same text, and a third one sees it too', async () => {
    const [ann, ben] = await Promise.all([open('Ann Archer', 'notes/both'), open('Ben Baker', 'notes/both')])
    await ann.write('first: ')
    await expect.poll(() => ben.lines(), polled).toEqual(['first: '])

    await Promise.all([ann.write('from Ann, letter by letter'), ben.write('from Ben, at the same moment')])
    const letters = (lines: string[]) => [...lines.join('')].sort().join('')
    const expected = letters(['first: ', 'from Ann, letter by letter', 'from Ben, at the same moment'])
    await expect.poll(async () => letters(await ann.lines()), polled).toBe(expected)
    await expect.poll(async () => letters(await ben.lines()), polled).toBe(expected)
    await expect.poll(async () => (await ben.html()) === (await ann.html()), { timeout: 20_000 }).toBe(true)
    await ann.expectStatus('Saved')

    const cem = await open('Cem Cook', 'notes/both')
    await expect.poll(() => cem.html(), polled).toBe(await ann.html())
    for (const person of [ann, ben, cem]) await person.close()
  })

  // Not that each letter is there once: where two people begin an empty line at the same moment, each makes a Y.XmlText,
  // and y-tiptap 3.0.9 joins the two on both sides, which can repeat a letter (yjs/y-prosemirror#161, #271).
  test('[promise 2] two people who begin the same empty line at once end with the same text', async () => {
    const [ann, ben] = await Promise.all([open('Ann Archer', 'notes/empty'), open('Ben Baker', 'notes/empty')])
    await ann.write('first\n')
    await expect.poll(() => ben.lines(), polled).toEqual(['first', ''])
    await Promise.all([ann.write('from Ann'), ben.write('from Ben')])
    await Promise.all([ann.expectStatus('Saved'), ben.expectStatus('Saved')])
    expect((await ann.lines()).join('').length, 'nothing is lost').toBeGreaterThanOrEqual(
      'firstfrom Annfrom Ben'.length,
    )
    await expect.poll(async () => (await ann.html()) === (await ben.html()), polled).toBe(true)
    for (const person of [ann, ben]) await person.close()
  })

  test('shows the others: their carets and faces, each with a name', async () => {
    const [ann, ben] = await Promise.all([open('Ann Archer', 'notes/people'), open('Ben Baker', 'notes/people')])
    await ann.write('Where is everybody?')
    await ben.caretOf('Ann Archer').waitFor()
    await ben.faceOf('Ann Archer').waitFor()
    await ben.text.click()
    await ann.caretOf('Ben Baker').waitFor()
    await ann.faceOf('Ben Baker').waitFor()
    await ann.page.getByRole('button', { name: '2 people are here: Ann Archer (you), Ben Baker' }).waitFor()

    await ben.close()
    await ann.faceOf('Ben Baker').waitFor({ state: 'detached' })
    await ann.caretOf('Ben Baker').waitFor({ state: 'detached' })
    await ann.close()
  })

  test('counts somebody with two windows once', async () => {
    const ann = await open('Ann Archer', 'notes/windows')
    const [ben, again] = [await open('Ben Baker', 'notes/windows'), await open('Ben Baker', 'notes/windows')]
    await ann.write('a')
    await again.text.click()
    await ann.page.getByRole('button', { name: /^2 people are here/ }).waitFor()
    for (const person of [ann, ben, again]) await person.close()
  })

  test('a new name reaches the others without a reload', async () => {
    const [ann, ben] = await Promise.all([open('Ann Archer', 'notes/rename'), open('Ben Baker', 'notes/rename')])
    await ann.write('Call me something else')
    await ben.caretOf('Ann Archer').waitFor()

    await ann.page.getByRole('button', { name: /change your name/ }).click()
    await ann.page.getByRole('textbox', { name: 'Your name' }).fill('Anna Lind')
    await ann.page.keyboard.press('Enter')
    await ann.page.getByRole('button', { name: 'Anna Lind: change your name' }).waitFor()
    await ben.faceOf('Anna Lind').waitFor()
    await ann.text.click()
    await ben.caretOf('Anna Lind').waitFor()
    expect(await ben.page.locator('[data-name="Ann Archer"]').count()).toBe(0)
    await ann.expectStatus('Saved')
    for (const person of [ann, ben]) await person.close()
  })

  test('undo takes back one’s own text only', async () => {
    const [ann, ben] = await Promise.all([open('Ann Archer', 'notes/undo'), open('Ben Baker', 'notes/undo')])
    await ann.write('Ann wrote this.')
    await expect.poll(() => ben.lines(), polled).toEqual(['Ann wrote this.'])
    await ben.write(' And Ben this.')
    await expect.poll(() => ann.lines(), polled).toEqual(['Ann wrote this. And Ben this.'])

    await expect.poll(() => ben.button('Undo').getAttribute('aria-disabled'), { timeout: 20_000 }).toBe('false')
    // What is typed slowly is taken back in several steps.
    const after = async (key: string) => {
      await ben.page.keyboard.press(key)
      return await ann.lines()
    }
    await expect.poll(() => after('Control+z'), polled).toEqual(['Ann wrote this.'])
    await expect.poll(() => ben.button('Undo').getAttribute('aria-disabled'), { timeout: 20_000 }).toBe('true')
    await ben.button('Redo').click()
    await expect.poll(() => after('Control+y'), polled).toEqual(['Ann wrote this. And Ben this.'])
    for (const person of [ann, ben]) await person.close()
  })
})

describe('the demo, several documents', () => {
  test('makes a document, calls it by its first line, and goes back and forth', async () => {
    const ann = await open('Ann Archer', 'notes/welcome')
    await ann.write('Welcome everybody')
    await ann.button('New document').click()
    await ann.page.waitForURL(/\/d\/notes\/untitled-\w+$/)
    await expect.poll(() => ann.lines(), polled).toEqual([''])
    await ann.page.keyboard.type('# Shopping') // a new document has the focus
    await ann.expectStatus('Saved')
    await expect.poll(() => ann.page.title(), polled).toBe('Shopping · Coweave')

    const documents = ann.page.getByRole('navigation', { name: 'Documents' })
    await documents.getByRole('link', { name: 'Shopping' }).and(ann.page.locator('[aria-current="page"]')).waitFor()
    await documents.getByRole('link', { name: 'Welcome everybody' }).click()
    await expect.poll(() => ann.lines(), polled).toEqual(['Welcome everybody'])
    await ann.page.goBack()
    await expect.poll(() => ann.lines(), polled).toEqual(['Shopping'])

    // From the server's list alone, in a browser that has seen neither.
    const ben = await open('Ben Baker', 'notes/welcome')
    await ben.page.getByRole('link', { name: /^Untitled/ }).click()
    await expect.poll(() => ben.lines(), polled).toEqual(['Shopping'])
    for (const person of [ann, ben]) await person.close()
  })

  test('says so where no document can be', async () => {
    const ann = await open('Ann Archer', 'notes/welcome')
    await ann.page.goto(`${server.url}/d/notes//x`)
    await ann.page.getByRole('heading', { name: 'There can’t be a document here' }).waitFor()
    await ann.button('Open the welcome page').click()
    await ann.text.waitFor()
    await ann.close()
  })
})
