import { createHash } from 'node:crypto'
import { uuidOf } from '../../model/uuid.ts'
import type { NewEvent } from '../../persistence/event-store.ts'

/** Who came into a lobby, or left it, over all of their devices. */
export interface Passage {
  readonly lobby: string
  readonly user: string
  readonly at: number
  /** When the lobby says that they were seen last before; undefined for never. */
  readonly lastSeen: number | undefined
}

export function userOnline(passage: Passage): NewEvent {
  return presenceEvent('user.online', passage)
}

export function userOffline(passage: Passage): NewEvent {
  return presenceEvent('user.offline', passage)
}

/**
 * All instances make it with the same id, since the time at which somebody was seen last changes only as they leave: so of
 * each kind there is one until the next of the other, whichever instances their devices come to.
 */
function presenceEvent(kind: string, { lobby, user, at, lastSeen }: Passage): NewEvent {
  const id = uuidOf(
    createHash('sha256')
      .update(`coweave.${kind}:${lobby} ${lastSeen ?? 'never'} ${user}`)
      .digest(),
    8,
  )
  return { id, kind, at, document: lobby, users: [user], json: JSON.stringify({ lastSeen }) }
}
