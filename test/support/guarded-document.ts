import * as Y from 'yjs'
import type { Level } from '../../server/access/grants.ts'
import { checkUpdate } from '../../server/documents/check-update.ts'
import { type DocumentRules, Guard, RefusedError } from '../../server/documents/guard.ts'
import { forge } from './chat-forgery.ts'

/** A document that is kept to its rules as in the server, without a server. */
export class GuardedDocument {
  readonly ydoc = new Y.Doc()
  readonly #guard: Guard
  #lastClient = 1_000

  constructor(rules: DocumentRules) {
    this.#guard = new Guard(this.ydoc, rules)
    this.ydoc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== this) this.#guard.mirror(update)
    })
  }

  /** Takes an update of `user`. Returns the rule it breaks; then nothing has changed. */
  receive(user: string, update: Uint8Array, level: Level = 'comment'): string | undefined {
    const principal = { user, name: user, grants: [], expires: undefined, admin: false, relay: false, agent: false }
    try {
      this.#guard.admit(update, checkUpdate(update), { principal, level })
    } catch (error) {
      if (error instanceof RefusedError) return error.code
      throw error
    }
    Y.applyUpdate(this.ydoc, update, this)
    return undefined
  }

  /** What `user` changes on a new device that has seen all. Returns as receive(). */
  change(user: string, edit: (ydoc: Y.Doc) => void): string | undefined {
    return this.receive(user, this.written(edit))
  }

  /** An update that a new device writes now, to arrive later. */
  written(edit: (ydoc: Y.Doc) => void): Uint8Array {
    this.#lastClient += 1
    return forge(this.ydoc, this.#lastClient, edit)
  }
}
