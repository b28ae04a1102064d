import type { ConnectOptions, Session } from './api.ts'
import { openChat } from './chat/open-chat.ts'
import { HttpSocket } from './http-socket.ts'
import { LobbyHandle } from './lobby/lobby-handle.ts'
import { ClientSession } from './session.ts'
import { uploadUpdate } from './upload.ts'

/**
 * Begins a session with a server, for one user. It connects with the first document that is opened, and by itself
 * again whenever the connection is lost.
 * @throws {CoweaveError} `client/bad-url`, `client/no-websocket`
 */
export function connect(options: ConnectOptions): Session {
  return new ClientSession(options, {
    HttpSocket,
    uploadUpdate,
    openChat,
    openLobby: (documents, group, lobbyOptions) => new LobbyHandle(documents, group, lobbyOptions),
  })
}

export { type Call, type CallMedia, type CallParty, type CallState, isOver, partyOf } from '../model/calls.ts'
export { CloseCode, mayRetryUnchanged } from '../model/close-codes.ts'
export { documentNameProblem, parseDocumentName } from '../model/document-name.ts'
export { CoweaveError } from '../model/errors.ts'
export type * from '../model/history.ts'
export type { Notification } from '../model/inbox.ts'
export { directChat } from '../model/rooms.ts'
export type * from './api.ts'
export { NotSavedError, RefusedError, TokenRefusedError } from './errors.ts'
export { type DocumentHistory, documentHistory, type SessionsPage, type TakenBack } from './history.ts'
export { Store } from './store.ts'
