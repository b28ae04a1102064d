import { actInCall, type Call, type CallAct, callsIn, callsOf, startCall } from '../../model/calls.ts'
import type { ChatPeer } from './chat-peer.ts'

/** Calls `to` and returns the call's id. */
export function callFrom(
  peer: Pick<ChatPeer, 'edit'>,
  from: string,
  to: readonly string[],
  device = `${from}1`,
): string {
  let id = ''
  peer.edit((head) => {
    id = startCall(head, { from, to, media: 'video', device })
  })
  return id
}

export function act(peer: Pick<ChatPeer, 'edit'>, id: string, what: CallAct, user: string, device = `${user}1`): void {
  peer.edit((head) => {
    const call = callsOf(head)
      .toArray()
      .find((entry) => entry.get('id') === id)
    if (call === undefined) throw new Error(`there is no call ${id}`)
    actInCall(call, what, user, device)
  })
}

export function callOf(peer: Pick<ChatPeer, 'ydoc'>, id: string): Call | undefined {
  return callsIn(peer.ydoc).find((call) => call.id === id)
}

/** Resolves once a peer sees the call in this state, as the server wrote it, and returns it. */
export async function whenCall(peer: ChatPeer, id: string, state: Call['state']): Promise<Call> {
  const isThere = () =>
    callsOf(peer.ydoc)
      .toArray()
      .some((entry) => entry.get('id') === id && entry.has('course'))
  await peer.until(() => isThere() && callOf(peer, id)?.state === state)
  const call = callOf(peer, id)
  if (call === undefined) throw new Error(`there is no call ${id}`)
  return call
}
