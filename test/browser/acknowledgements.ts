import type { Page, WebSocketRoute } from 'playwright-core'
import { readFrame } from '../../client/frames.ts'

/** The server's acknowledgements on the way to a page, which can be held up. Everything else passes. */
export class Acknowledgements {
  /** How many were passed on. */
  passed = 0
  #held: (() => void)[] | undefined

  /** Watches the sockets that `page` opens from its next load on. */
  static async watch(page: Page): Promise<Acknowledgements> {
    const acknowledgements = new Acknowledgements()
    await page.routeWebSocket(/\/collab/, (socket) => acknowledgements.#route(socket))
    return acknowledgements
  }

  get held(): number {
    return this.#held?.length ?? 0
  }

  hold(): void {
    this.#held ??= []
  }

  release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const pass of held) pass()
  }

  #route(socket: WebSocketRoute): void {
    const server = socket.connectToServer()
    server.onMessage((message) => {
      const isAcknowledgement = typeof message !== 'string' && readFrame(message)?.kind === 'applied'
      const pass = () => {
        if (isAcknowledgement) this.passed += 1
        socket.send(message)
      }
      if (isAcknowledgement && this.#held !== undefined) this.#held.push(pass)
      else pass()
    })
  }
}
