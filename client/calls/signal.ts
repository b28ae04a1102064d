import { isFields } from '../presence-fields.ts'

/**
 * What two parties of a call tell each other until their media flow, and while they do. `session` names the attempt of
 * the sender to connect, a new one after each reload; `to` is that of the receiver, once the sender has heard of it.
 */
export type Signal = { readonly session: string; readonly to?: string } & SignalContent

export type SignalContent =
  | { readonly type: 'hello' }
  | { readonly type: 'description'; readonly description: RTCSessionDescriptionInit }
  | { readonly type: 'candidate'; readonly candidate: RTCIceCandidateInit }
  | ({ readonly type: 'sends' } & Sends)

/** What a party sends just now. */
export interface Sends {
  readonly audio: boolean
  readonly video: boolean
}

/** Carries signals between the parties of one call. It may lose them, but not change their order. */
export interface Signalling {
  /** Hands `signal`, which is plain JSON, to `party`, if it is there. */
  send(party: string, signal: Signal): void
  /** Calls `listener` with each signal for this party. Returns what ends that. */
  listen(listener: (party: string, signal: unknown) => void): () => void
}

/** What another party sent, if it is a signal. Whether its inside makes sense, WebRTC itself tells. */
export function readSignal(value: unknown): Signal | undefined {
  if (!isFields(value) || typeof value.session !== 'string') return undefined
  const ends = { session: value.session, ...(typeof value.to === 'string' ? { to: value.to } : {}) }
  const { type, description, candidate } = value
  if (type === 'hello') return { ...ends, type }
  if (type === 'sends') return { ...ends, type, audio: value.audio === true, video: value.video === true }
  if (type === 'candidate' && isFields(candidate)) return { ...ends, type, candidate }
  if (type === 'description' && isFields(description) && isDescriptionType(description.type)) {
    return { ...ends, type, description: { type: description.type, sdp: String(description.sdp ?? '') } }
  }
  return undefined
}

/** A rollback is made here, never asked for by others. */
function isDescriptionType(type: unknown): type is 'offer' | 'answer' {
  return type === 'offer' || type === 'answer'
}
