import { useMemo } from 'react'
import type { Inbox, InboxState, Session } from '../api.ts'
import { emptyInboxState } from '../inbox/inbox-handle.ts'
import { Held, type Opened } from './held.ts'
import { useSessionContext } from './provider.tsx'
import { useTracked } from './tracked.ts'

/** An inbox, and what its owner can do in it; before the component has mounted there is nothing to do anything with. */
export interface InboxView extends InboxState, Omit<Inbox, 'state' | 'destroy'> {}

/**
 * The inbox of the session's user. It is open while the component is mounted, which renders again when something changes
 * that it has read from the result.
 * @throws {CoweaveError} `react/no-provider`
 */
export function useInbox(): InboxView {
  const { session } = useSessionContext()
  const held = useMemo(
    () =>
      new Held<InboxView>(
        () => (session === undefined ? noInbox : new UsedInbox(session)),
        () => unopenedInbox,
      ),
    [session],
  )
  return useTracked(held, unopenedInbox)
}

class UsedInbox implements Opened<InboxView> {
  readonly #inbox: Inbox
  readonly #actions: Omit<Inbox, 'state' | 'destroy'>
  #last: { readonly state: InboxState; readonly view: InboxView } | undefined

  constructor(session: Session) {
    const inbox = session.inbox()
    this.#inbox = inbox
    this.#actions = {
      markRead: (id) => inbox.markRead(id),
      markAllRead: () => inbox.markAllRead(),
      dismiss: (id) => inbox.dismiss(id),
    }
  }

  get(): InboxView {
    const state = this.#inbox.state.get()
    if (this.#last?.state !== state) this.#last = { state, view: { ...state, ...this.#actions } }
    return this.#last.view
  }

  subscribe(listener: () => void): () => void {
    return this.#inbox.state.subscribe(listener)
  }

  release(): void {
    this.#inbox.destroy()
  }
}

const unopenedInbox: InboxView = { ...emptyInboxState, markRead() {}, markAllRead() {}, dismiss() {} }
const noInbox: Opened<InboxView> = { get: () => unopenedInbox, subscribe: () => () => {}, release() {} }
