import { type Call, isOver } from '../../model/calls.ts'
import type { Session } from '../api.ts'
import { isFields } from '../presence-fields.ts'
import { MeshCall } from './mesh-call.ts'

/**
 * The media of a call of a room that this device has started or answered: connects to all who take part, as they come
 * and go, and is over when the call is, or when this device does not take part in it. Hanging up here ends no call:
 * `chat.calls.end(id)` does, and this with it.
 * @throws {Error} before it is known whose session it is, which it is once the call is there
 */
export function joinCall(session: Session, room: string, id: string): MeshCall {
  const { user } = session
  if (user === undefined) throw new Error('nobody is in a call yet')
  // A handle of its own: the call goes on when the room is closed elsewhere in the page.
  const chat = session.chat(room)
  const { list, device } = chat.calls
  // Before its calls are looked at: this opens the room.
  const signalling = chat.calls.signalling(id)
  const find = () => list.get().find((call) => call.id === id)
  const mesh = new MeshCall({
    self: user,
    media: find()?.media ?? 'audio',
    signalling,
    iceServers: () => iceServersOf(session),
  })
  const follow = () => {
    const call = find()
    if (call === undefined || !takesPart(call, user, device)) mesh.hangUp()
    else mesh.setParties(call.parties.filter(({ state }) => state === 'joined').map((party) => party.user))
  }
  const stops = [
    list.subscribe(follow),
    mesh.state.subscribe(() => {
      if (!mesh.state.get().isOver) return
      for (const stop of stops.splice(0)) stop()
      chat.destroy()
    }),
  ]
  follow()
  return mesh
}

/** Whether `user` takes part in a call with `device`. */
export function takesPart(call: Call, user: string, device: string): boolean {
  return (
    !isOver(call.state) &&
    call.parties.some((party) => party.user === user && party.state === 'joined' && party.device === device)
  )
}

async function iceServersOf(session: Session): Promise<RTCIceServer[]> {
  const response = await session.fetch('/api/ice')
  const answer: unknown = response.ok ? await response.json() : undefined
  const { iceServers } = isFields(answer) ? answer : {}
  return Array.isArray(iceServers) ? iceServers : []
}
