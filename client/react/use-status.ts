import { useSyncExternalStore } from 'react'
import type { CollaborativeDocument, Presence, Readable, Status } from '../api.ts'
import { useSessionContext } from './provider.tsx'

const connecting: Readable<Status> = constant({ kind: 'connecting' })
const nobody: Readable<readonly Presence[]> = constant([])

/** How the session is connected. @throws {CoweaveError} `react/no-provider` */
export function useStatus(): Status {
  const status = useSessionContext().session?.status ?? connecting
  return useSyncExternalStore(status.subscribe, status.get, connecting.get)
}

/** Who has a document open; nobody while there is no document yet. */
export function usePresence(document: CollaborativeDocument | undefined): readonly Presence[] {
  const presence = document?.presence ?? nobody
  return useSyncExternalStore(presence.subscribe, presence.get, nobody.get)
}

function constant<T>(value: T): Readable<T> {
  return { get: () => value, subscribe: () => () => {} }
}
