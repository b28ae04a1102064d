import type { Locator } from 'playwright-core'
import { expect } from 'vitest'
import type { DemoPage } from './demo-page.ts'

const polled = { timeout: 20_000 }

/** The chat of a demo page, as the person in front of it uses it. */
export class ChatPage {
  readonly demo: DemoPage

  constructor(demo: DemoPage) {
    this.demo = demo
  }

  /** Opens the chat and waits until it shows what is there. */
  static async open(demo: DemoPage): Promise<ChatPage> {
    const chat = new ChatPage(demo)
    await demo.page.getByRole('button', { name: /^Chat(,|$)/ }).click()
    await chat.field.waitFor()
    return chat
  }

  get panel(): Locator {
    return this.demo.page.locator('.chat')
  }

  get field(): Locator {
    return this.panel.getByRole('textbox', { name: /^Message/ })
  }

  get messages(): Locator {
    return this.panel.getByRole('list', { name: 'Messages' }).locator('> li')
  }

  message(text: string): Locator {
    return this.messages.filter({ has: this.demo.page.locator('.message-text', { hasText: text }) })
  }

  async send(text: string): Promise<void> {
    await this.field.fill(text)
    await this.field.press('Enter')
  }

  texts(): Promise<string[]> {
    return this.panel.locator('.message-text, .message-deleted').allTextContents()
  }

  ids(): Promise<(string | null)[]> {
    return this.messages.evaluateAll((items) => items.map((item) => item.getAttribute('data-message')))
  }

  async expectTexts(...texts: string[]): Promise<void> {
    await expect.poll(() => this.texts(), polled).toEqual(texts)
  }

  /** How far a message of one's own has come. */
  async expectTick(text: string, tick: 'Sending' | 'Kept in this browser' | 'Stored' | 'Read by all'): Promise<void> {
    await expect.poll(() => this.message(text).locator('.tick').textContent(), polled).toBe(tick)
  }

  async expectUnread(count: number): Promise<void> {
    const name = count === 0 ? 'Chat' : `Chat, ${count} unread`
    await this.demo.page.getByRole('button', { name, exact: true }).waitFor()
  }

  async act(text: string, action: 'React' | 'Reply' | 'Edit' | 'Delete'): Promise<void> {
    await this.message(text).hover()
    await this.message(text).getByRole('button', { name: action, exact: true }).click()
  }

  async close(): Promise<void> {
    await this.panel.getByRole('button', { name: 'Close the chat' }).click()
    await this.panel.waitFor({ state: 'detached' })
  }
}
