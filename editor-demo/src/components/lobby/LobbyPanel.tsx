import { useEffect, useMemo, useState } from 'react'
import { useLobby } from '../../../../client/react/index.ts'
import { type DirectChats, noHints } from '../../chat/direct-chats.ts'
import { knownPeople } from '../../chat/names.ts'
import { useActivity } from '../../hooks/use-activity.ts'
import { useLobbyFaces } from '../../hooks/use-lobby-faces.ts'
import { useNow } from '../../hooks/use-now.ts'
import { useStore } from '../../hooks/use-store.ts'
import type { Identity } from '../../identity.ts'
import { GROUP, inSections, memberOf } from '../../lobby/members.ts'
import { LobbyMember } from './LobbyMember.tsx'
import { OwnStatus } from './OwnStatus.tsx'

/** So many of those who have left are shown at first. */
const GONE_SHOWN = 4

/** Who is there is known only while the server is. */
const outages = { connecting: 'Connecting…', offline: 'Offline' } as const

interface Props {
  readonly identity: Identity
  /** The document that is open. */
  readonly document: string | undefined
  readonly direct: DirectChats | undefined
  onChat(user: string): void
}

/** Who of all who use the demo is online, and when the others were. Says of oneself what is open. */
export function LobbyPanel({ identity, document, direct, onChat }: Props) {
  const { members, status, ready, readOnly, setStatus, setActivity } = useLobby(GROUP)
  useLobbyFaces(identity)
  useActivity({ status, readOnly, setActivity }, document)
  const known = useStore(knownPeople)
  const unreadFrom = useStore(direct?.unread ?? noHints)
  const now = useNow()
  const [all, setAll] = useState(false)
  const { here, gone } = useMemo(() => inSections(members.map((person) => memberOf(person, known))), [members, known])
  useEffect(() => direct?.setOnline(here.map(({ user }) => user)), [direct, here])
  if (status.kind === 'refused') return null

  const isKnown = status.kind === 'online'
  const online = here.filter(({ status }) => status !== 'offline').length
  const { name, color } = identity
  const own = { name, color, ...(isKnown ? {} : { status: 'offline' as const }) }
  const unreadOf = (id: string) => unreadFrom.find(({ user }) => user === id)?.unread ?? 0
  const shown = all ? gone : gone.filter(({ user }, index) => index < GONE_SHOWN || unreadOf(user) > 0)
  return (
    <section className="lobby" aria-labelledby="lobby-title">
      <div className="lobby-head">
        <h2 id="lobby-title">People</h2>
        <span>{isKnown ? `${online} online` : outages[status.kind]}</span>
      </div>
      <ul>
        {here.map((member) =>
          member.self ? (
            <OwnStatus
              key={member.user}
              member={{ ...member, ...own }}
              canChoose={ready && !readOnly}
              onChoose={setStatus}
            />
          ) : (
            <LobbyMember
              key={member.user}
              member={member}
              unread={unreadOf(member.user)}
              isKnown={isKnown}
              now={now}
              onChat={onChat}
            />
          ),
        )}
        {shown.map((member) => (
          <LobbyMember
            key={member.user}
            member={member}
            unread={unreadOf(member.user)}
            isKnown={isKnown}
            now={now}
            onChat={onChat}
          />
        ))}
      </ul>
      {shown.length < gone.length && (
        <button type="button" className="text-button lobby-more" onClick={() => setAll(true)}>
          {gone.length - shown.length} more
        </button>
      )}
    </section>
  )
}
