import type { CallMedia } from '../../model/calls.ts'
import type { ChatRoom } from '../../model/rooms.ts'
import { linkTo, placeOf, titleOf } from './notices.ts'
import { type CausedNotification, notificationId } from './notifications.ts'

/** A call that rang for people who did not answer. */
export interface MissedCall {
  readonly id: string
  readonly from: string
  readonly media: CallMedia
  readonly users: readonly string[]
}

/** What is told of a call of `room`; `link` as in linkTo(). */
export function missedCallNotification(call: MissedCall, room: ChatRoom, link: string): CausedNotification {
  return {
    to: call.users,
    id: notificationId('call', `${call.id} ${room.room}`),
    notification: {
      kind: 'missed-call',
      title: titleOf(call.media === 'video' ? 'Missed video call' : 'Missed call', room),
      body: '',
      link: linkTo(link, room),
      from: call.from,
      ...placeOf(room),
    },
  }
}
