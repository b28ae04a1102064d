import { CoweaveError } from '../../model/errors.ts'
import {
  type ChosenStatus,
  entriesOf,
  isActivity,
  type LobbyEntry,
  lastSeenOf,
  MAX_ACTIVITY_LENGTH,
  membersIn,
  setLobbyEntry,
} from '../../model/lobby.ts'
import { lobbyOf } from '../../model/rooms.ts'
import type { CollaborativeDocument, Lobby, LobbyPerson, LobbyState, Readable, Stop } from '../api.ts'
import type { SessionDocuments } from '../session-documents.ts'
import { Store } from '../store.ts'
import { type Clock, systemClock } from './clock.ts'
import { Devices } from './devices.ts'
import { emptyLobbyState } from './empty-lobby.ts'
import { IdleWatch } from './idle-watch.ts'

export interface LobbyOptions {
  readonly onDestroyed?: () => void
  readonly clock?: Clock
  /** Where input comes from that shows that somebody uses the device; the window, in browsers. */
  readonly input?: EventTarget | undefined
}

/** One use of a lobby, which shows that the user is online while it lasts. */
export class LobbyHandle implements Lobby {
  readonly group: string
  readonly state: Readable<LobbyState>
  readonly #store = new Store<LobbyState>(emptyLobbyState)
  readonly #documents: SessionDocuments
  readonly #document: CollaborativeDocument
  readonly #devices: Devices
  readonly #idle: IdleWatch
  /** What those who were here since it opened were called. */
  readonly #names = new Map<string, string>()
  /** What was chosen before it was known what is there. */
  #chosen: (entry: LobbyEntry) => LobbyEntry = (entry) => entry
  #unfollow: Stop = () => {}
  readonly #onDestroyed: (() => void) | undefined
  #isDestroyed = false

  /** @throws {CoweaveError} `document/bad-name`, `client/closed` */
  constructor(documents: SessionDocuments, group: string, options: LobbyOptions = {}) {
    const { clock = systemClock, input = pageInput(), onDestroyed } = options
    this.group = group
    this.state = this.#store
    this.#onDestroyed = onDestroyed
    this.#documents = documents
    this.#document = documents.open(lobbyOf(group))
    this.#devices = new Devices(clock, () => this.#update())
    this.#idle = new IdleWatch(clock, input, (isIdle) => this.#document.setPresence({ idle: isIdle || undefined }))
    // An earlier handle on it may have gone idle.
    this.#document.setPresence({ idle: undefined })
    this.#document.state.subscribe(() => this.#update())
    this.#document.onReplaced(() => this.#follow())
    this.#follow()
  }

  setStatus(status: ChosenStatus): void {
    this.#choose((entry) => ({ ...entry, status }))
  }

  setActivity(activity: string | undefined): void {
    if (activity !== undefined && !isActivity(activity)) {
      const rule = `an activity is one line of at most ${MAX_ACTIVITY_LENGTH} characters`
      throw new CoweaveError('lobby/bad-activity', rule)
    }
    this.#choose(({ status }) => ({ status, ...(activity ? { activity } : {}) }))
  }

  destroy(): void {
    if (this.#isDestroyed) return
    this.#isDestroyed = true
    this.#idle.stop()
    this.#devices.stop()
    this.#unfollow()
    this.#document.destroy()
    this.#onDestroyed?.()
  }

  #choose(change: (entry: LobbyEntry) => LobbyEntry): void {
    if (this.#isDestroyed) throw new CoweaveError('lobby/destroyed', `the handle on ${this.group} was given back`)
    const before = this.#chosen
    this.#chosen = (entry) => change(before(entry))
    this.#write()
    this.#update()
  }

  /** Once it is known who writes, and what they said before. */
  #write(): void {
    const { user } = this.#documents
    if (user === undefined || !this.#document.state.get().ready) return
    const change = this.#chosen
    this.#chosen = (entry) => entry
    const { ydoc } = this.#document
    const entry = entriesOf(ydoc).get(user) ?? { status: 'online' }
    const next = change(entry)
    if (next.status !== entry.status || next.activity !== entry.activity) setLobbyEntry(ydoc, user, next)
  }

  /** Another document after a refused change. */
  #follow(): void {
    this.#unfollow()
    const { ydoc, awareness } = this.#document
    const update = () => this.#update()
    const [entries, lastSeen] = [entriesOf(ydoc), lastSeenOf(ydoc)]
    entries.observe(update)
    lastSeen.observe(update)
    this.#unfollow = () => {
      entries.unobserve(update)
      lastSeen.unobserve(update)
    }
    this.#devices.follow(awareness)
  }

  #update(): void {
    if (this.#isDestroyed) return
    this.#write()
    const { status, ready, readOnly } = this.#document.state.get()
    const next = { status, ready, readOnly: readOnly !== false, members: this.#members() }
    if (JSON.stringify(next) !== JSON.stringify(this.#store.get())) this.#store.set(next)
  }

  #members(): LobbyPerson[] {
    const devices = this.#devices.all
    for (const { user, name } of devices) this.#names.set(user, name)
    const known = membersIn(this.#document.ydoc, devices)
    // Who has just left for the first time, until the server has written when.
    const users = new Set(known.map(({ user }) => user))
    const gone = [...this.#names.keys()].filter((user) => !users.has(user))
    const self = this.#documents.user
    return [...known, ...gone.map((user) => ({ user, status: 'offline' as const }))]
      .map((member) => ({ ...member, name: this.#names.get(member.user) ?? member.user, self: member.user === self }))
      .toSorted((a, b) => Number(b.self) - Number(a.self) || a.name.localeCompare(b.name))
  }
}

function pageInput(): EventTarget | undefined {
  return typeof window === 'undefined' ? undefined : window
}
