import { Store } from '../../../client/index.ts'
import { recall, remember } from '../browser-storage.ts'
import { colorFor } from '../identity.ts'
import { type Person, personIn } from '../people.ts'

const KEY = 'coweave:people'
const MAX_REMEMBERED = 300

/** Everybody this browser has met: messages carry ids only, and their authors may not be here. */
export const knownPeople = new Store<Readonly<Record<string, Person>>>(load())

export function rememberPeople(people: readonly Person[]): void {
  const known = knownPeople.get()
  const changed = people.filter(({ id, name, color, kind }) => {
    const before = Object.hasOwn(known, id) ? known[id] : undefined
    return before?.name !== name || before.color !== color || before.kind !== kind
  })
  if (changed.length === 0) return
  const others = Object.values(known).filter(({ id }) => !changed.some((person) => person.id === id))
  const kept = [...others, ...changed.map((person) => ({ ...person, self: false }))].slice(-MAX_REMEMBERED)
  remember('local', KEY, JSON.stringify(kept))
  knownPeople.set(byId(kept))
}

/** Somebody's name and colour; for somebody never met, what their id gives. */
export function personOf(id: string, known: Readonly<Record<string, Person>>): Person {
  const person = Object.hasOwn(known, id) ? known[id] : undefined
  if (person !== undefined) return person
  // Ids made up by this page say nothing to anybody.
  const name = /^[a-z2-9]{12}$/.test(id) ? `Guest ${id.slice(0, 4)}` : id
  return { id, name, color: colorFor(id), self: false }
}

function byId(people: readonly Person[]): Record<string, Person> {
  return Object.fromEntries(people.map((person) => [person.id, person]))
}

function load(): Record<string, Person> {
  try {
    const stored: unknown = JSON.parse(recall('local', KEY) ?? '[]')
    if (!Array.isArray(stored)) return {}
    return byId(stored.map((entry) => personIn(entry)).filter((person) => person !== undefined))
  } catch {
    return {} // damaged: ids are shown until people are met again
  }
}
