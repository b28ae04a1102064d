export { anchorBetween, type Place, placeIn } from './anchors.ts'
export {
  actInCall,
  type Call,
  type CallAct,
  type CallMedia,
  type CallParty,
  type CallState,
  callsIn,
  callsOf,
  isOver,
  MAX_CALL_PARTIES,
  type NewCall,
  readCall,
  startCall,
} from './calls.ts'
export type { Anchor } from './chat.ts'
export { CloseCode, mayRetryUnchanged } from './close-codes.ts'
export { documentNameProblem, parseDocumentName } from './document-name.ts'
export { CoweaveError } from './errors.ts'
export {
  dismissNotifications,
  markNotificationsRead,
  NOTIFICATIONS_KEPT,
  type Notification,
  notificationsIn,
  notificationsOf,
  unreadCount,
} from './inbox.ts'
export {
  type ChosenStatus,
  entriesOf,
  type LobbyDevice,
  type LobbyEntry,
  type LobbyMember,
  type LobbyStatus,
  lastSeenOf,
  membersIn,
  setLobbyEntry,
} from './lobby.ts'
export { inboxOf, lobbyOf } from './rooms.ts'
