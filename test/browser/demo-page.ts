import { writeFile } from 'node:fs/promises'
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core'
import { expect, onTestFailed } from 'vitest'

/** A page on a busy machine does everything, but slowly. */
const PATIENCE_MS = 60_000

export interface Visitor {
  readonly name: string
  readonly color?: string
}

/** The demo as one person sees it, in a browser profile of their own. */
export class DemoPage {
  #page: Page
  /** What went wrong in the page: uncaught errors, and what the browser complained about. */
  readonly problems: string[] = []

  private constructor(page: Page) {
    this.#page = page
    this.#watch(page)
  }

  get page(): Page {
    return this.#page
  }

  #watch(page: Page): void {
    page.on('pageerror', (error) => this.problems.push(error.stack ?? error.message))
    page.on('console', (message) => {
      // Connections that fail are part of some tests; the page deals with them.
      const isNetwork = /ERR_|WebSocket|Failed to load resource/.test(message.text())
      if (message.type() === 'error' && !isNetwork) this.problems.push(message.text())
    })
  }

  static async open(
    browser: Browser,
    url: string,
    visitor: Visitor,
    options: BrowserContextOptions = {},
    prepare: (page: Page) => Promise<unknown> = async () => {},
  ): Promise<DemoPage> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
    context.setDefaultTimeout(PATIENCE_MS)
    const { name, color = '#4a56c9' } = visitor
    const id = name.toLowerCase().replaceAll(' ', '-')
    await context.addInitScript((me) => {
      if (localStorage.getItem('coweave:me') === null) localStorage.setItem('coweave:me', me)
    }, JSON.stringify({ id, name, color }))
    const demo = new DemoPage(await context.newPage())
    onTestFailed(({ task }) => demo.#record(`${task.name} - ${name}`))
    await prepare(demo.page)
    await demo.page.goto(url)
    await demo.text.waitFor()
    return demo
  }

  /** The same person's next tab. Closing either of them closes both. */
  async openTab(url: string): Promise<DemoPage> {
    const demo = new DemoPage(await this.#page.context().newPage())
    await demo.page.goto(url)
    await demo.text.waitFor()
    return demo
  }

  /** Resolves once this page can be loaded without a network. */
  async installed(): Promise<void> {
    await this.page.evaluate(async () => {
      const { active } = await navigator.serviceWorker.ready
      if (active?.state === 'activated') return
      await new Promise((resolve) => active?.addEventListener('statechange', resolve, { once: true }))
    })
  }

  /** What the page looked like when a test failed, in test-results/. */
  async #record(title: string): Promise<void> {
    const path = `test-results/${title.replaceAll(/[^\w]+/g, '-')}`
    if (this.#page.isClosed()) return
    await this.#page.screenshot({ path: `${path}.png` })
    await writeFile(`${path}.html`, `${await this.#page.content()}\n<!-- ${this.problems.join('\n')} -->\n`)
  }

  /** Closes the page, and gives the same person another one that is still empty. */
  async restart(): Promise<void> {
    const context = this.#page.context()
    await this.#page.close()
    this.#page = await context.newPage()
    this.#watch(this.#page)
  }

  get text(): Locator {
    return this.page.locator('#editor')
  }

  /** What is written, a block a line; carets' labels are no text. */
  lines(): Promise<string[]> {
    return this.text.evaluate((editor) => [...editor.children].map((block) => block.textContent ?? ''))
  }

  /** The text with its markup, without what belongs to carets and selections. */
  html(): Promise<string> {
    return this.text.evaluate((editor) => {
      const copy = editor.cloneNode(true)
      if (!(copy instanceof HTMLElement)) throw new Error('the editor is no element')
      for (const caret of copy.querySelectorAll('.caret, .ProseMirror-separator, .ProseMirror-trailingBreak'))
        caret.remove()
      for (const marked of copy.querySelectorAll('.remote-selection')) marked.replaceWith(...marked.childNodes)
      for (const block of copy.querySelectorAll('[data-placeholder]')) {
        block.removeAttribute('data-placeholder')
        block.removeAttribute('class')
      }
      copy.normalize()
      return copy.innerHTML
    })
  }

  button(name: string): Locator {
    return this.page.getByRole('button', { name, exact: true })
  }

  caretOf(name: string): Locator {
    return this.page.locator(`.caret[data-name="${name}"]`)
  }

  faceOf(name: string): Locator {
    return this.page.locator(`.people [data-person="${name}"]`)
  }

  async write(text: string): Promise<void> {
    await this.text.focus()
    await this.page.keyboard.press('Control+End')
    await this.page.keyboard.type(text)
  }

  async expectStatus(expected: string | RegExp, timeout = 20_000): Promise<void> {
    const label = this.page.getByTestId('save-status')
    await expect.poll(() => label.textContent(), { timeout }).toMatch(expected)
  }

  /** Notes every label the save state shows from now on; the returned function gives them. */
  async watchStatus(): Promise<() => Promise<string[]>> {
    const label = this.page.getByTestId('save-status')
    const seen = await label.evaluateHandle((element) => {
      const labels = [element.textContent ?? '']
      new MutationObserver(() => labels.push(element.textContent ?? '')).observe(element, {
        characterData: true,
        childList: true,
        subtree: true,
      })
      return labels
    })
    return () => seen.jsonValue()
  }

  async close(): Promise<void> {
    await this.page.context().close()
    expect(this.problems).toEqual([])
  }
}
