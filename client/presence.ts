import type { Awareness } from 'y-protocols/awareness'
import type { Presence, Readable, Stop } from './api.ts'
import { definedFields, isFields, mergeFields, type PresenceFields } from './presence-fields.ts'
import { Store } from './store.ts'

/** Who it is, and where an editor's caret stands: the latter changes all the time and is the editors' matter. */
const NOT_FIELDS: ReadonlySet<string> = new Set(['user', 'cursor'])
const IDENTITY: ReadonlySet<string> = new Set(['id', 'name', 'kind'])

/** Who has a document open: one entry a user, however many windows they have; oneself first, then by name. */
export class PresenceList implements Readable<readonly Presence[]> {
  readonly #store = new Store<readonly Presence[]>([])
  readonly get = this.#store.get
  readonly subscribe = this.#store.subscribe
  #stop: Stop = () => {}

  follow(awareness: Awareness): void {
    this.#stop()
    const update = () => {
      const next = presenceIn(awareness)
      if (JSON.stringify(next) !== JSON.stringify(this.#store.get())) this.#store.set(next)
    }
    awareness.on('change', update)
    this.#stop = () => awareness.off('change', update)
    update()
  }

  stop(): void {
    this.#stop()
  }
}

function presenceIn(awareness: Awareness): readonly Presence[] {
  const own = identityIn(awareness.getLocalState())
  const found = new Map<string, Presence>()
  // In the order in which windows were opened: the newest one's fields count.
  for (const [clientId, state] of awareness.getStates()) {
    const identity = clientId === awareness.clientID ? own : identityIn(state)
    if (identity !== undefined) found.set(identity.user, presenceOf(identity, state, identity.user === own?.user))
  }
  return [...found.values()].toSorted((a, b) => Number(b.self) - Number(a.self) || a.name.localeCompare(b.name))
}

function presenceOf(identity: Identity, state: PresenceFields, self: boolean): Presence {
  const inUser = isFields(state.user) ? without(state.user, IDENTITY) : {}
  return { ...identity, self, fields: { ...inUser, ...without(state, NOT_FIELDS) } }
}

function without(fields: PresenceFields, keys: ReadonlySet<string>): PresenceFields {
  return Object.fromEntries(Object.entries(fields).filter(([key]) => !keys.has(key)))
}

/**
 * Shows `identity` with `fields` beside what editors have set there, at a new clock in any case; undefined for either
 * hides it.
 */
export function showUser(
  awareness: Awareness,
  identity: Identity | undefined,
  fields: PresenceFields | undefined,
): void {
  const before: PresenceFields | null = awareness.getLocalState()
  if (identity === undefined || fields === undefined) {
    if (before !== null) awareness.setLocalState(null)
    return
  }
  const shown = mergeFields(before ?? {}, fields)
  awareness.setLocalState(definedFields(mergeFields(shown, { user: { id: identity.user, name: identity.name } })))
}

type Identity = Pick<Presence, 'user' | 'name' | 'kind'>

/** The server has put it there, for everyone but oneself. */
export function identityIn(state: PresenceFields | null): Identity | undefined {
  const user = state?.user
  if (typeof user !== 'object' || user === null || !('id' in user) || typeof user.id !== 'string') return undefined
  const name = 'name' in user && typeof user.name === 'string' ? user.name : user.id
  const isAgent = 'kind' in user && user.kind === 'agent'
  return { user: user.id, name, ...(isAgent ? { kind: 'agent' } : {}) }
}
