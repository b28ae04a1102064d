import { createHash } from 'node:crypto'
import type { KeyRing } from './encryption.ts'
import { type SealContext, type SealedBytes, seal, unseal } from './sealed-bytes.ts'

/** Where a browser is reached while no page of ours is open in it, as it told us itself (RFC 8030, RFC 8291). */
export interface PushSubscription {
  /** The URL at its push service. Whoever knows it and the keys can push to it. */
  readonly endpoint: string
  /** The browser's public key, and the secret it shares with us, in base64url. */
  readonly p256dh: string
  readonly auth: string
}

export interface RoomSubscription {
  readonly room: string
  /** When it was last told, ms since 1970. */
  readonly at: number
  readonly subscription: PushSubscription
}

/** A message to push to one subscription, for whoever claimed it. */
export interface ClaimedPush {
  readonly id: number
  readonly room: string
  /** When its update was taken, ms since 1970. */
  readonly at: number
  /** How often it was claimed, with this time. */
  readonly attempts: number
  /** With the subscription's id. Undefined where the subscription or the message can't be read any more. */
  readonly content: { readonly id: string; readonly subscription: PushSubscription; readonly json: string } | undefined
}

/** A room of which messages wait to be pushed, and when the last of them was taken. */
export interface WaitingRoom {
  readonly room: string
  readonly at: number
}

export interface PushOutcome {
  /** Claimed pushes that are over, whatever became of them. */
  readonly done: readonly number[]
  /** Those to claim again, from `dueAt` on. */
  readonly again: readonly { readonly id: number; readonly dueAt: number }[]
  /** Ids of subscriptions that their push service doesn't know any more. */
  readonly gone: readonly string[]
}

/**
 * Who is to be told, through the push service of their browser, of messages in a room; and what is still to be told.
 *
 * An update with `pushAt` leaves, in its own commit, one push for each message and subscription of the message's room.
 * Instances claim pushes for a while: what an instance claimed and did not settle, as it crashed, is there to be claimed
 * again afterwards. So each is sent at least once, and mostly once. Not for deciding whom not to tell, nor for sending
 * (server/push).
 *
 * Every implementation passes the suite in test/persistence/push-store-contract.ts. Calls reject as those of UpdateLog.
 */
export interface PushStore {
  /**
   * Subscribes to a room. An endpoint has one subscription: told again with the same keys, which only its browser knows,
   * it moves to this room, as a browser that changed hands, and nothing that waited for the earlier room reaches it.
   * Returns false, and changes nothing, when it is known with other keys. Beyond `max` of the room, the oldest end.
   */
  subscribe(wanted: RoomSubscription, options: { readonly max: number }): Promise<boolean>

  /** Ends a subscription of the room, with what waits for it; one of another room, or none, stays as it is. */
  unsubscribe(room: string, endpoint: string): Promise<void>

  /** Ends all subscriptions of a room, with what waits for them, and returns how many. */
  endAll(room: string): Promise<number>

  /** All subscriptions by their ids, from the first behind `after`; without those that can't be read. */
  subscriptions(options: { readonly after?: string; readonly limit: number }): Promise<{
    readonly subscriptions: readonly RoomSubscription[]
    /** What to give as `after` to go on; undefined when there is nothing more. */
    readonly next: string | undefined
  }>

  /** Whether pushes are due at `now`, and the rooms of those that will be by `until`. Writes nothing. */
  upcoming(range: { readonly now: number; readonly until: number }): Promise<{
    readonly isDue: boolean
    readonly waiting: readonly WaitingRoom[]
  }>

  /** Takes away the pushes of these rooms that are as old as is said, or older. */
  cancel(rooms: readonly WaitingRoom[]): Promise<void>

  /** Claims up to `limit` of the pushes that are due at `now`, the longest due first: nobody else gets them before `until`. */
  claim(options: { readonly now: number; readonly until: number; readonly limit: number }): Promise<ClaimedPush[]>

  /** Writes down what became of claimed pushes, in one commit; unknown ones are left out. */
  settle(outcome: PushOutcome): Promise<void>
}

/** The subscription of an endpoint, in all rooms: the endpoint itself is a secret. */
export function subscriptionId(endpoint: string): string {
  return createHash('sha256').update(endpoint).digest('base64url')
}

export function sealSubscription(keys: KeyRing | undefined, { room, subscription }: RoomSubscription): SealedBytes {
  const { endpoint, p256dh, auth } = subscription
  const plain = Buffer.from(JSON.stringify({ endpoint, p256dh, auth }))
  return seal(keys, plain, context(room, subscriptionId(endpoint)))
}

/** Undefined for what can't be read: whoever subscribed subscribes anew, and nobody else should have to wait. */
export function openSubscription(
  keys: KeyRing | undefined,
  { room, id, key, data }: Readonly<Record<'room' | 'id' | 'key' | 'data', unknown>>,
): PushSubscription | undefined {
  if (typeof room !== 'string' || typeof id !== 'string' || !(data instanceof Uint8Array)) return undefined
  try {
    const sealed = { key: typeof key === 'string' ? key : null, data }
    const plain: unknown = JSON.parse(Buffer.from(unseal(keys, sealed, context(room, id))).toString())
    if (typeof plain !== 'object' || plain === null) return undefined
    const { endpoint, p256dh, auth }: Partial<Record<string, unknown>> = { ...plain }
    if (typeof endpoint !== 'string' || typeof p256dh !== 'string' || typeof auth !== 'string') return undefined
    return subscriptionId(endpoint) === id ? { endpoint, p256dh, auth } : undefined
  } catch {
    return undefined
  }
}

export function sameSubscription(one: PushSubscription, other: PushSubscription): boolean {
  return one.endpoint === other.endpoint && one.p256dh === other.p256dh && one.auth === other.auth
}

function context(room: string, id: string): SealContext {
  return { kind: 'subscription', document: room, position: 0, details: [id] }
}
