import { createHash } from 'node:crypto'
import type * as Y from 'yjs'
import { type Call, readCall } from '../../model/calls.ts'
import { uuidOf } from '../../model/uuid.ts'
import type { NewEvent } from '../../persistence/event-store.ts'

/**
 * That a call of `room` is over, from its entry there. All instances make it with the same id, so that one is stored: the
 * one that came with the end that was committed first. What the caller chose as the call's id is not enough, since a room
 * that has forgotten a call takes its id again.
 */
export function callEnded(room: string, entry: Y.Map<unknown>): NewEvent {
  const call = readCall(entry)
  return callEvent('call.ended', room, entry, call.endedAt ?? call.at)
}

/** That a call of `room` rings. */
export function callStarted(room: string, entry: Y.Map<unknown>): NewEvent {
  return callEvent('call.started', room, entry, readCall(entry).at)
}

function callEvent(kind: string, room: string, entry: Y.Map<unknown>, at: number): NewEvent {
  const call = readCall(entry)
  const place = entry._item?.id
  const key = `coweave.${kind}:${room} ${call.id} ${place?.client} ${place?.clock}`
  return {
    id: uuidOf(createHash('sha256').update(key).digest(), 8),
    kind,
    at,
    document: room,
    users: [...new Set([call.from, ...call.to])],
    json: JSON.stringify(told(call)),
  }
}

/** Without the devices, which say nothing to anybody else. */
function told({ parties, ...call }: Call): object {
  return { ...call, parties: parties.map(({ user, state }) => ({ user, state })) }
}
