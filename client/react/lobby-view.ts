import { CoweaveError } from '../../model/errors.ts'
import type { Lobby, LobbyState, Session } from '../api.ts'
import { emptyLobbyState } from '../lobby/empty-lobby.ts'
import type { Opened } from './held.ts'

/** A lobby, and what a component can do in it; the functions stay the same ones. */
export interface LobbyView extends LobbyState, Pick<Lobby, 'setStatus' | 'setActivity'> {}

/** A lobby that a component has opened. */
export class UsedLobby implements Opened<LobbyView> {
  readonly #lobby: Lobby
  readonly #actions: Pick<Lobby, 'setStatus' | 'setActivity'>
  #last: { readonly state: LobbyState; readonly view: LobbyView } | undefined

  constructor(session: Session, group: string) {
    const lobby = session.lobby(group)
    this.#lobby = lobby
    this.#actions = {
      setStatus: (status) => lobby.setStatus(status),
      setActivity: (activity) => lobby.setActivity(activity),
    }
  }

  get(): LobbyView {
    const state = this.#lobby.state.get()
    if (this.#last?.state !== state) this.#last = { state, view: { ...state, ...this.#actions } }
    return this.#last.view
  }

  subscribe(listener: () => void): () => void {
    return this.#lobby.state.subscribe(listener)
  }

  release(): void {
    this.#lobby.destroy()
  }
}

/** Of a lobby that is not open yet. */
export const unopenedLobby: LobbyView = { ...emptyLobbyState, setStatus: notOpen, setActivity: notOpen }

function notOpen(): never {
  throw new CoweaveError('lobby/not-open', 'the lobby opens once the component has mounted')
}
