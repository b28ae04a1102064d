import { createHash } from 'node:crypto'
import webPush from 'web-push'
import type { PushSubscription } from '../../persistence/push-store.ts'
import { waitMsIn } from '../retry-after.ts'
import { isPushEndpoint } from './push-hosts.ts'
import type { Vapid } from './vapid.ts'

export interface PushServiceOptions {
  readonly vapid: Vapid
  /** As in PUSH_HOSTS. */
  readonly hosts: readonly string[]
  readonly timeoutMs: number
}

export interface Push {
  readonly subscription: PushSubscription
  readonly payload: string
  /** How long the push service keeps it for a browser that is away, s. */
  readonly ttlS: number
  /** Of what is kept with the same topic, a browser gets the last. */
  readonly topic: string
}

/** What a push service answered. */
export type Answer =
  | { readonly kind: 'sent' }
  /** The subscription is over. */
  | { readonly kind: 'gone' }
  /** It may take the same later: after so many ms, if it said so. */
  | { readonly kind: 'later'; readonly afterMs: number | undefined; readonly problem: string }
  /** It will not take this. */
  | { readonly kind: 'refused'; readonly problem: string }

/** Sends one push to the push service of a browser, encrypted for that browser alone. Never rejects. */
export async function sendPush(
  { subscription, payload, ttlS, topic }: Push,
  { vapid, hosts, timeoutMs }: PushServiceOptions,
  stop: AbortSignal,
): Promise<Answer> {
  const { endpoint, p256dh, auth } = subscription
  if (!isPushEndpoint(endpoint, hosts)) return { kind: 'refused', problem: 'its host is not among PUSH_HOSTS' }
  try {
    const { headers, body } = webPush.generateRequestDetails({ endpoint, keys: { p256dh, auth } }, payload, {
      vapidDetails: vapid,
      TTL: ttlS,
      urgency: 'normal',
      topic: topicOf(topic),
    })
    const response = await fetch(endpoint, {
      method: 'POST',
      headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
      body: body === null ? null : new Uint8Array(body),
      redirect: 'manual', // it would lead elsewhere than to PUSH_HOSTS
      signal: AbortSignal.any([stop, AbortSignal.timeout(timeoutMs)]),
    })
    await response.body?.cancel()
    return answerOf(response)
  } catch (error) {
    return { kind: 'later', afterMs: undefined, problem: problemOf(error) }
  }
}

function answerOf({ ok, status, headers }: Response): Answer {
  if (ok) return { kind: 'sent' }
  if (status === 404 || status === 410) return { kind: 'gone' }
  const problem = `it answered ${status}`
  if (status !== 408 && status !== 429 && status < 500) return { kind: 'refused', problem }
  return { kind: 'later', afterMs: waitMsIn(headers.get('retry-after')), problem }
}

/** A topic has at most 32 characters of base64url. */
function topicOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 32)
}

/** Without the endpoint, which is a secret. */
function problemOf(error: unknown): string {
  const { cause } = error instanceof Error ? error : {}
  return cause instanceof Error ? cause.message : error instanceof Error ? error.message : String(error)
}
