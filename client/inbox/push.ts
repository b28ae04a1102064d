import { CoweaveError } from '../../model/errors.ts'
import type { Push, PushState } from '../api.ts'
import { fieldsOf, problemIn } from '../problem.ts'
import type { SessionDocuments } from '../session-documents.ts'

const SUBSCRIPTIONS = '/api/push/subscriptions'

/** Subscribes the browser, and tells the server how to reach it. */
export class PushHandle implements Push {
  readonly #session: Pick<SessionDocuments, 'fetch'>

  constructor(session: Pick<SessionDocuments, 'fetch'>) {
    this.#session = session
  }

  async state(registration: ServiceWorkerRegistration): Promise<PushState> {
    if (!isSupported(registration)) return 'unsupported'
    if (Notification.permission === 'denied') return 'denied'
    return (await registration.pushManager.getSubscription()) === null ? 'off' : 'on'
  }

  async enable(registration: ServiceWorkerRegistration): Promise<void> {
    if (!isSupported(registration)) throw new CoweaveError('push/unsupported', 'this browser takes no pushes')
    // First of all: some browsers ask only while they handle a click.
    if ((await Notification.requestPermission()) !== 'granted') {
      throw new CoweaveError('push/denied', 'notifications are not allowed on this device')
    }
    const key = bytesOf(await this.#publicKey())
    const { pushManager } = registration
    const known = await pushManager.getSubscription()
    const isCurrent = known !== null && isSame(known.options.applicationServerKey, key)
    if (!isCurrent) await known?.unsubscribe() // of a server with other keys: a browser has room for one
    const subscription = isCurrent
      ? known
      : await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key })
    const response = await this.#ask('PUT', subscription.toJSON())
    if (!response.ok) throw problemIn(await response.json().catch(() => undefined), response.status)
  }

  async disable(registration: ServiceWorkerRegistration): Promise<void> {
    const subscription = isSupported(registration) ? await registration.pushManager.getSubscription() : null
    if (subscription === null) return
    await subscription.unsubscribe()
    // Where the server can't be told, it hears from the push service with the next push.
    await this.#ask('DELETE', { endpoint: subscription.endpoint }).catch(() => {})
  }

  async #publicKey(): Promise<string> {
    const response = await this.#session.fetch('/api/push')
    const answer: unknown = await response.json().catch(() => undefined)
    const { publicKey } = fieldsOf(answer)
    if (!response.ok || typeof publicKey !== 'string') throw problemIn(answer, response.status)
    return publicKey
  }

  #ask(method: string, body: object): Promise<Response> {
    const headers = { 'content-type': 'application/json' }
    return this.#session.fetch(SUBSCRIPTIONS, { method, headers, body: JSON.stringify(body) })
  }
}

/** Not in private windows, in-app browsers, or Safari outside of an installed app on a phone. */
function isSupported(registration: ServiceWorkerRegistration): boolean {
  return typeof Notification !== 'undefined' && 'pushManager' in registration
}

function bytesOf(base64url: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64url.replaceAll('-', '+').replaceAll('_', '/'))
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}

function isSame(known: ArrayBuffer | null, key: Uint8Array): boolean {
  const bytes = new Uint8Array(known ?? new ArrayBuffer(0))
  return bytes.length === key.length && bytes.every((byte, index) => byte === key[index])
}
