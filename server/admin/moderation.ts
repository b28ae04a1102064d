import { inboxOf, isUserId } from '../../model/rooms.ts'
import type { NewRestriction } from '../../persistence/admin-store.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { Audit } from './audit.ts'
import type { Restrictions } from './restrictions.ts'

const MINUTE_MS = 60_000

/** Whom something is done to; '' for all documents. */
export interface Target {
  readonly user: string
  readonly document: string
}

export interface ModerationOptions {
  readonly log: UpdateLog
  readonly audit: Audit
  readonly restrictions: Restrictions
}

/** What admins do to users and to the log, each with its entry in the audit log. */
export class Moderation {
  readonly #options: ModerationOptions

  constructor(options: ModerationOptions) {
    this.#options = options
  }

  /** Closes the connections that the user has now, on every instance. */
  async kick(by: string, target: Target): Promise<void> {
    const at = Date.now()
    await this.#restrict('kick', { kind: 'kick', ...target, at, until: at, by }, '')
  }

  /** Lets the user only read for so long, in place of an earlier time; 0 for from now on as before. */
  async mute(by: string, target: Target, minutes: number): Promise<number> {
    const at = Date.now()
    const until = at + Math.ceil(minutes * MINUTE_MS)
    const detail = minutes === 0 ? '' : `${minutes} minutes`
    await this.#restrict(minutes === 0 ? 'unmute' : 'mute', { kind: 'mute', ...target, at, until, by }, detail)
    return until
  }

  /** Refuses the tokens that the user has got until now, and pushes nothing to browsers that subscribed with them. */
  async revoke(by: string, user: string): Promise<number> {
    const at = Date.now()
    const { audit, restrictions, log } = this.#options
    await audit.of({ admin: by, action: 'revoke', user, document: '', detail: '' }, async () => {
      await restrictions.add({ kind: 'revocation', user, document: '', at, until: undefined, by })
      // Whoever has one of these tokens may have subscribed with it.
      if (isUserId(user)) await log.pushes.endAll(inboxOf(user))
    })
    return at
  }

  /** Lets the user in again with tokens of before a revocation, as far as they have not ended. */
  async reinstate(by: string, user: string): Promise<void> {
    const at = Date.now()
    await this.#restrict('reinstate', { kind: 'revocation', user, document: '', at, until: at, by }, '')
  }

  /** Writes a snapshot of the document, and resolves with its position. */
  compact(admin: string, document: string): Promise<number> {
    const { audit, log } = this.#options
    return audit.of({ admin, action: 'compact', user: '', document, detail: '' }, () => log.compact(document))
  }

  #restrict(action: string, restriction: NewRestriction, detail: string): Promise<void> {
    const { audit, restrictions } = this.#options
    const { by: admin, user, document } = restriction
    return audit.of({ admin, action, user, document, detail }, () => restrictions.add(restriction))
  }
}
