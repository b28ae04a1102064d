import type * as Y from 'yjs'

/**
 * The shape of a lobby, `lobby/<group>`: what each member says about themselves, and when the server last saw them. Who
 * is there right now is not in the document: that is presence (awareness), a state for each device, in which the device
 * tells whether anybody uses it.
 */

/** Characters. */
export const MAX_ACTIVITY_LENGTH = 140
/** A device without input for so long is idle. */
export const IDLE_AFTER_MS = 5 * 60 * 1000
/** Who is back so soon never left: a reload is no leave. */
export const LEAVE_GRACE_MS = 3_000

/** What a member chooses; `online` lets the devices tell. */
export const chosenStatuses = ['online', 'away', 'busy'] as const
export type ChosenStatus = (typeof chosenStatuses)[number]
export type LobbyStatus = ChosenStatus | 'offline'

/** What a member says about themselves. Written as a whole: of two devices that do so at once, one wins. */
export interface LobbyEntry {
  readonly status: ChosenStatus
  readonly activity?: string
}

export interface LobbyMember {
  readonly user: string
  readonly status: LobbyStatus
  /** Of who is offline, too: it is theirs until they change it. */
  readonly activity?: string
  /** When their last device left, ms since 1970, by the server; undefined for who never left. */
  readonly lastSeen?: number
}

/** One device that is there, as its presence tells. */
export interface LobbyDevice {
  readonly user: string
  readonly isIdle: boolean
}

/** User → what they say about themselves. */
export function entriesOf(lobby: Y.Doc): Y.Map<LobbyEntry> {
  return lobby.getMap('entries')
}

/** User → when the last of their devices left, ms since 1970. The server's. */
export function lastSeenOf(lobby: Y.Doc): Y.Map<number> {
  return lobby.getMap('lastSeen')
}

/** Says something about oneself; without an activity, one has none. */
export function setLobbyEntry(lobby: Y.Doc, user: string, entry: LobbyEntry): void {
  entriesOf(lobby).set(user, { ...entry })
}

/** Whether a text may be an activity: one line, its length by code points, as people count. */
export function isActivity(text: string): boolean {
  if (text.length > 2 * MAX_ACTIVITY_LENGTH || [...text].length > MAX_ACTIVITY_LENGTH) return false
  return !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text)
}

/** Everybody a lobby knows or sees, by user id. `devices` are those that are there. */
export function membersIn(lobby: Y.Doc, devices: Iterable<LobbyDevice>): LobbyMember[] {
  const isIdle = new Map<string, boolean>()
  for (const device of devices) isIdle.set(device.user, device.isIdle && (isIdle.get(device.user) ?? true))
  const entries = entriesOf(lobby)
  const lastSeen = lastSeenOf(lobby)
  const users = new Set([...entries.keys(), ...lastSeen.keys(), ...isIdle.keys()])
  return [...users].sort().map((user) => {
    const entry = entries.get(user)
    const seen = lastSeen.get(user)
    return {
      user,
      status: statusOf(entry?.status ?? 'online', isIdle.get(user)),
      ...(entry?.activity ? { activity: entry.activity } : {}),
      ...(seen === undefined ? {} : { lastSeen: seen }),
    }
  })
}

/** `isIdle` tells of all devices of the member, undefined if there are none. */
function statusOf(chosen: ChosenStatus, isIdle: boolean | undefined): LobbyStatus {
  if (isIdle === undefined) return 'offline'
  return chosen === 'online' && isIdle ? 'away' : chosen
}
