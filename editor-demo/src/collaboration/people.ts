import type { Awareness } from 'y-protocols/awareness'
import { colorFor, MAX_NAME_LENGTH } from '../identity.ts'
import { Store } from '../store.ts'

export interface Person {
  readonly id: string
  readonly name: string
  readonly color: string
  readonly self: boolean
}

/** Who is in a document: one entry a user, however many windows they have; oneself first, then by name. */
export function followPeople(awareness: Awareness): Store<readonly Person[]> {
  const people = new Store(peopleIn(awareness))
  awareness.on('change', () => {
    const next = peopleIn(awareness)
    if (JSON.stringify(next) !== JSON.stringify(people.get())) people.set(next)
  })
  return people
}

function peopleIn(awareness: Awareness): readonly Person[] {
  const found = new Map<string, Person>()
  for (const [clientId, state] of awareness.getStates()) {
    const person = personIn(state.user, clientId === awareness.clientID)
    if (person === undefined || found.get(person.id)?.self) continue
    found.set(person.id, person)
  }
  return [...found.values()].toSorted((a, b) => Number(b.self) - Number(a.self) || a.name.localeCompare(b.name))
}

/** What others send is theirs to choose: only a plain name, id and colour get through. */
export function personIn(user: unknown, self = false): Person | undefined {
  if (typeof user !== 'object' || user === null) return undefined
  const { id, name, color } = user as Partial<Record<string, unknown>>
  if (typeof id !== 'string' || id === '') return undefined
  const shown = typeof name === 'string' && name.trim() !== '' ? name.trim().slice(0, MAX_NAME_LENGTH) : 'Somebody'
  const valid = typeof color === 'string' && /^#[0-9a-f]{6}$/i.test(color)
  return { id, name: shown, color: valid ? color : colorFor(id), self }
}
