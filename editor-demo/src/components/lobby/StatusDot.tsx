import type { LobbyPerson } from '../../../../client/index.ts'

export type Status = LobbyPerson['status']

export const statusNames: Readonly<Record<Status, string>> = {
  online: 'Online',
  away: 'Away',
  busy: 'Busy',
  offline: 'Offline',
}

/** Told by shape as well as by colour; what it stands beside says the same in words. */
export function StatusDot({ status }: { status: Status }) {
  return <span className="status-dot" data-status={status} aria-hidden="true" />
}
