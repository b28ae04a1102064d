import { useMemo } from 'react'
import type { Session } from '../api.ts'
import { Held } from './held.ts'
import { type LobbyView, UsedLobby, unopenedLobby } from './lobby-view.ts'
import { useSessionContext } from './provider.tsx'
import { useTracked } from './tracked.ts'

/**
 * Who of a group is online: shows the user as online there while the component is mounted, which renders again when
 * something changes that it has read from the result.
 * @throws {CoweaveError} `react/no-provider`; once it has mounted: `document/bad-name`
 */
export function useLobby(group: string): LobbyView {
  const { session } = useSessionContext()
  const held = useMemo(() => holdLobby(session, group), [session, group])
  return useTracked(held, unopenedLobby)
}

function holdLobby(session: Session | undefined, group: string): Held<LobbyView> {
  return new Held<LobbyView>(
    () => (session === undefined ? noLobby : new UsedLobby(session, group)),
    () => unopenedLobby,
  )
}

const noLobby = { get: () => unopenedLobby, subscribe: () => () => {}, release() {} }
