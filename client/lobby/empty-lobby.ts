import type { LobbyState } from '../api.ts'

/** Of a lobby that is not open yet. */
export const emptyLobbyState: LobbyState = {
  status: { kind: 'connecting' },
  ready: false,
  readOnly: false,
  members: [],
}
