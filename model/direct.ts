/**
 * Direct messages: from one user to all connections of another that have the head of the same chat room open, and
 * nowhere else. They are stateless messages of Hocuspocus; nothing of them is stored, and who is away misses them.
 */

/** Of a whole message as it is sent, bytes. */
export const MAX_DIRECT_BYTES = 64 * 1024
export const MAX_DIRECT_KIND_LENGTH = 64

/** What a client sends. */
export interface DirectRequest {
  readonly to: string
  readonly kind: string
  /** Text that the server does not look into; the client library puts JSON there. */
  readonly payload: string
  /** For a signal between the parties of an open call: which call, and the sender's device in it. */
  readonly call?: { readonly id: string; readonly device: string }
}

/** What the one whom it is for gets. */
export interface DirectDelivery {
  readonly from: string
  readonly kind: string
  readonly payload: string
  /** `device` is the receiver's that takes part in the call: others leave the message alone. */
  readonly call?: { readonly id: string; readonly device: string }
}

/** What the sender of a message gets that was refused. */
export interface DirectRefusal {
  /** Stable, such as `direct/too-big`. */
  readonly rule: string
  readonly reason: string
}

const REQUEST = 'coweave:send:'
const DELIVERY = 'coweave:direct:'
const REFUSAL = 'coweave:not-sent:'

export function encodeDirectRequest(request: DirectRequest): string {
  return REQUEST + JSON.stringify(request)
}

/** What a client's stateless message asks for, unchecked; undefined for any other message. */
export function directRequestIn(message: string): string | undefined {
  return message.startsWith(REQUEST) ? message.slice(REQUEST.length) : undefined
}

export function encodeDirectDelivery(delivery: DirectDelivery): string {
  return DELIVERY + JSON.stringify(delivery)
}

/** The direct message in a stateless message of the server; undefined for any other message. */
export function decodeDirectDelivery(message: string): DirectDelivery | undefined {
  return message.startsWith(DELIVERY) ? JSON.parse(message.slice(DELIVERY.length)) : undefined
}

export function encodeDirectRefusal(refusal: DirectRefusal): string {
  return REFUSAL + JSON.stringify(refusal)
}

/** The refusal in a stateless message of the server; undefined for any other message. */
export function decodeDirectRefusal(message: string): DirectRefusal | undefined {
  return message.startsWith(REFUSAL) ? JSON.parse(message.slice(REFUSAL.length)) : undefined
}
