import { useEffect, useMemo } from 'react'
import type { CollaborativeDocument, Presence } from '../../../client/index.ts'
import { rememberPeople } from '../chat/names.ts'
import type { Identity } from '../identity.ts'
import { type Person, peopleIn } from '../people.ts'

/** Shows oneself to the others in a document, and gives who is there. */
export function usePeople(
  document: CollaborativeDocument | undefined,
  presence: readonly Presence[],
  own: Identity,
): readonly Person[] {
  // Where Tiptap's carets look for it too.
  useEffect(() => document?.setPresence({ user: { color: own.color } }), [document, own.color])
  const people = useMemo(() => peopleIn(presence, own), [presence, own])
  // Their messages stay when they have left.
  useEffect(() => rememberPeople(people), [people])
  return people
}
