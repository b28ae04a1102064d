import type { Session } from '../api.ts'
import { Held, type Opened } from './held.ts'

const none = () => undefined

/** A session that is made once a provider has mounted, and closed when it goes. */
export class HeldSession extends Held<Session | undefined> {
  readonly #connect: () => Session
  #whenOpen: Promise<Session> | undefined
  #opened: (session: Session) => void = () => {}

  constructor(connect: () => Session) {
    super(() => this.#begin(), none)
    this.#connect = connect
  }

  /** Resolves once it is made; the same promise until then. */
  get whenOpen(): Promise<Session> {
    this.#whenOpen ??= new Promise((resolve) => {
      this.#opened = resolve
    })
    return this.#whenOpen
  }

  #begin(): Opened<Session> {
    const session = this.#connect()
    this.#opened(session)
    return {
      get: () => session,
      subscribe: () => () => {},
      release: () => {
        this.#whenOpen = undefined
        session.close()
      },
    }
  }
}
