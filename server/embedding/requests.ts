import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'

/** How long requests that are being answered have when the server stops, ms. */
const ENDING_MS = 2_000

/** Requests that another server has received, answered by an app that does not listen itself. */
export class Requests {
  readonly #app: FastifyInstance
  readonly #answers = new Set<ServerResponse>()

  constructor(app: FastifyInstance) {
    this.#app = app
    // The connections are not the app's to close.
    app.addHook('onClose', () => this.#end())
  }

  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    this.#answers.add(response)
    response.once('close', () => this.#answers.delete(response))
    this.#app.routing(request, response)
  }

  async #end(): Promise<void> {
    const ended = [...this.#answers].map((answer) => new Promise((resolve) => answer.once('close', resolve)))
    await Promise.race([Promise.all(ended), setTimeout(ENDING_MS, undefined, { ref: false })])
    for (const answer of this.#answers) answer.destroy()
  }
}
