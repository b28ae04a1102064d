import type { LobbyPerson } from '../../../client/index.ts'
import { personOf } from '../chat/names.ts'
import type { Person } from '../people.ts'

/** All who use the demo. */
export const GROUP = 'demo'

/** Somebody of the lobby as the page shows them. */
export interface Member extends LobbyPerson {
  readonly color: string
}

/** A member with the name that is known of them here: who is away tells none. */
export function memberOf(person: LobbyPerson, known: Readonly<Record<string, Person>>): Member {
  const { name, color } = personOf(person.user, known)
  return { ...person, name: person.name === person.user ? name : person.name, color }
}

/** Oneself, then who is there, by name, then the others, who left last first. */
export function inSections(members: readonly Member[]): {
  readonly here: readonly Member[]
  readonly gone: readonly Member[]
} {
  const here = members.filter(({ self, status }) => self || status !== 'offline')
  const gone = members.filter(({ self, status }) => !self && status === 'offline')
  return { here, gone: gone.toSorted((a, b) => (b.lastSeen ?? 0) - (a.lastSeen ?? 0)) }
}
