import { useMemo } from 'react'
import type { ChatState } from '../../../client/index.ts'
import { useLobby } from '../../../client/react/index.ts'
import { knownPeople, personOf } from '../chat/names.ts'
import { GROUP } from '../lobby/members.ts'
import type { Person } from '../people.ts'
import { useStore } from './use-store.ts'

/** Whom a message can call by name: the other one of a direct chat, or those who know the room, and all in the lobby. */
export function useMentionable(
  self: string,
  partner: string | undefined,
  { messages, reads }: Pick<ChatState, 'messages' | 'reads'>,
): readonly Person[] {
  const known = useStore(knownPeople)
  const { members } = useLobby(GROUP)
  return useMemo(() => {
    if (partner !== undefined) return [personOf(partner, known)]
    const inRoom = new Set([...messages.map(({ author }) => author), ...Object.keys(reads)])
    const here = new Set(members.filter(({ status }) => status !== 'offline').map(({ user }) => user))
    const rank = (user: string) => (inRoom.has(user) ? 2 : 0) + (here.has(user) ? 1 : 0)
    return (
      [...new Set([...inRoom, ...members.map(({ user }) => user)])]
        // A name that nobody has heard of can't be called.
        .filter((user) => user !== self && Object.hasOwn(known, user))
        .map((user) => personOf(user, known))
        .toSorted((a, b) => rank(b.id) - rank(a.id) || a.name.localeCompare(b.name))
    )
  }, [self, partner, messages, reads, members, known])
}
