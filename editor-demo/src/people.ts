import type { Presence } from '../../client/index.ts'
import { colorFor, type Identity, MAX_NAME_LENGTH } from './identity.ts'

/** y-tiptap writes it into the states of those who show none, such as agents. */
const NO_COLOR = '#ffa500'

/** Somebody in a document, or an agent. */
export interface Person extends Identity {
  readonly self: boolean
  readonly kind?: 'agent'
}

/** The people in a document; one's own name is known before the server has put it into a token. */
export function peopleIn(presence: readonly Presence[], own: Identity): readonly Person[] {
  return presence.flatMap(({ user, name, self, kind, fields }) => {
    if (self) return { ...own, self }
    return personIn({ id: user, name, kind, color: fields.color }) ?? []
  })
}

/** What others send is theirs to choose: only a plain name, id and colour get through. */
export function personIn(user: unknown): Person | undefined {
  if (typeof user !== 'object' || user === null) return undefined
  const { id, name, color, kind } = user as Partial<Record<string, unknown>>
  if (typeof id !== 'string' || id === '') return undefined
  const shown = typeof name === 'string' && name.trim() !== '' ? name.trim().slice(0, MAX_NAME_LENGTH) : 'Somebody'
  const valid = typeof color === 'string' && /^#[0-9a-f]{6}$/i.test(color) && color !== NO_COLOR
  const person = { id, name: shown, color: valid ? color : colorFor(id), self: false }
  return kind === 'agent' ? { ...person, kind } : person
}
