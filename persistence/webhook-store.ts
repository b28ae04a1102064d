import type { KeyRing } from './encryption.ts'
import { type SealContext, type SealedBytes, seal, unseal } from './sealed-bytes.ts'
import { StorageError } from './storage-error.ts'

/** Where a product's back end is told of events. */
export interface Webhook {
  readonly id: string
  /** When it was registered, ms since 1970. */
  readonly at: number
  /** The number of the last event that it is not told of, since that was before. */
  readonly after: number
  readonly url: string
  /** The kinds of events that it is told of; all if there are none. */
  readonly kinds: readonly string[]
  /** The pattern of the documents of which it is told, as in grants; undefined for all, and for events without one. */
  readonly documents: string | undefined
  /** What its deliveries are signed with, as receivers have it. */
  readonly secret: string
}

/** `resent` is one that was dead and is tried again, beside the order of its document. */
export type DeliveryState = 'waiting' | 'dead' | 'resent'

/** An event that a webhook was not told of yet. */
export interface Delivery {
  readonly webhook: string
  /** The number of the event. */
  readonly event: number
  /** Deliveries of one document come one after the other; '' for one that waits for no other. */
  readonly document: string
  readonly state: DeliveryState
  /** Since when it is tried, ms since 1970. */
  readonly at: number
  /** How often it was claimed. */
  readonly attempts: number
  /** When it is tried next; undefined while an earlier one of its document is, and for a dead one. */
  readonly dueAt: number | undefined
  /** What went wrong the last time; '' for nothing yet. */
  readonly problem: string
}

/** What webhooks are still to be told of. */
export interface Backlog {
  readonly deliveries: number
  /** Since when the oldest of them is there, ms since 1970; undefined if there are none. */
  readonly since: number | undefined
}

export type NewDelivery = Pick<Delivery, 'webhook' | 'event' | 'document'>

export interface DeliveryOutcome extends Pick<Delivery, 'webhook' | 'event'> {
  /** `again` from `dueAt` on. */
  readonly became: 'done' | 'dead' | 'again'
  readonly dueAt: number
  readonly problem: string
}

/** Who works for a consumer of events, as EventStore.claim() has it, and up to which event it is done. */
export interface Passing {
  readonly consumer: string
  readonly owner: string
  readonly last: number
}

/**
 * Webhooks, and what they are still to be told of. Deliveries are claimed for a while: what an instance claimed and did not
 * settle, as it crashed, is there to be claimed again. Of those of one webhook and document only the first can be claimed.
 * EventStore.forget() takes deliveries away together with their events.
 *
 * Every implementation passes the suite in test/persistence/webhook-store-contract.ts. Calls reject as those of UpdateLog.
 */
export interface WebhookStore {
  /** All of them, the first registered first. @throws {StorageError} `storage/corrupt` (naming the webhook), `storage/key` */
  list(): Promise<Webhook[]>

  /** Registers a webhook, or changes the one of that id. False, with nothing changed, where there would be more than `max`. */
  put(webhook: Webhook, options: { readonly max: number }): Promise<boolean>

  /** Ends a webhook, with what it was still to be told of. Returns whether there was one. */
  remove(id: string): Promise<boolean>

  /**
   * Stores deliveries and writes down that the consumer is done with their events, in one commit: so each event becomes
   * deliveries once. Does nothing where `owner` no longer works for it, or it is further already. `now` is when they are due.
   */
  enqueue(deliveries: readonly NewDelivery[], passing: Passing & { readonly now: number }): Promise<void>

  /** Ids of webhooks with deliveries that are due at `now`. Writes nothing. */
  due(now: number): Promise<string[]>

  /** Claims deliveries that are due at `now`, up to so many of each webhook: nobody else gets them before `until`. */
  claim(options: {
    readonly now: number
    readonly until: number
    readonly limits: readonly { readonly webhook: string; readonly limit: number }[]
  }): Promise<Delivery[]>

  /** Writes down what became of claimed deliveries, in one commit; unknown ones are left out. */
  settle(outcomes: readonly DeliveryOutcome[], options: { readonly now: number }): Promise<void>

  /** Deliveries of a webhook, lowest event first, from behind `after`. */
  deliveries(
    webhook: string,
    options: { readonly state?: DeliveryState | undefined; readonly after: number; readonly limit: number },
  ): Promise<Delivery[]>

  /** The deliveries to all webhooks that are not dead, from an index of them. */
  backlog(): Promise<Backlog>

  /** Has a dead delivery tried again from `now` on. Returns whether there was one. */
  resend(delivery: Pick<Delivery, 'webhook' | 'event'>, options: { readonly now: number }): Promise<boolean>
}

/** Who makes deliveries of events, as a consumer of them. */
export const WEBHOOK_CONSUMER = 'coweave.webhooks'

export const WEBHOOK_COLUMNS = 'id, at, after, key, data'
export const DELIVERY_COLUMNS = 'webhook, event, document, state, at, attempts, due_at, problem'

const STATES: readonly DeliveryState[] = ['waiting', 'dead', 'resent']

/** A state as it stands in a table. */
export const State = { Waiting: 0, Dead: 1, Resent: 2 } as const

export function stateNumber(state: DeliveryState): number {
  return STATES.indexOf(state)
}

export function sealWebhook(keys: KeyRing | undefined, webhook: Webhook): SealedBytes {
  const { id, url, kinds, documents, secret } = webhook
  return seal(keys, Buffer.from(JSON.stringify({ url, kinds, documents, secret })), context(id))
}

/** A row of WEBHOOK_COLUMNS. @throws {StorageError} `storage/corrupt` or `storage/key`, naming the webhook */
export function parseWebhook(keys: KeyRing | undefined, values: readonly unknown[]): Webhook {
  const [id, at, after, key, data] = values
  if (typeof id === 'string' && typeof at === 'number' && typeof after === 'number' && data instanceof Uint8Array) {
    const plain = Buffer.from(unseal(keys, { key: typeof key === 'string' ? key : null, data }, context(id))).toString()
    try {
      const { url, kinds, documents, secret } = JSON.parse(plain)
      return { id, at, after, url, kinds, documents, secret }
    } catch (cause) {
      throw new StorageError('storage/corrupt', `the webhook ${id} can not be read`, { cause })
    }
  }
  throw new StorageError('storage/corrupt', `the webhook ${String(id)} can not be read`)
}

/** A row of DELIVERY_COLUMNS. */
export function parseDelivery(values: readonly unknown[]): Delivery {
  const [webhook, event, document, state, at, attempts, dueAt, problem] = values
  return {
    webhook: String(webhook),
    event: Number(event),
    document: String(document),
    state: STATES[Number(state)] ?? 'dead',
    at: Number(at),
    attempts: Number(attempts),
    dueAt: dueAt === null ? undefined : Number(dueAt),
    problem: String(problem),
  }
}

/** The row of DELIVERY_COLUMNS. */
export function deliveryValues(delivery: Delivery): readonly (string | number | null)[] {
  const { webhook, event, document, state, at, attempts, dueAt = null, problem } = delivery
  return [webhook, event, document, stateNumber(state), at, attempts, dueAt, problem]
}

/** What finds deliveries that nobody would post, and what is told of each row of that; `schema` as before tables. */
export function deliveryChecks(schema: '' | 'coweave.'): readonly {
  readonly sql: string
  readonly problem: (values: readonly unknown[]) => string
}[] {
  const deliveries = `${schema}deliveries`
  return [
    {
      sql: `SELECT DISTINCT webhook FROM ${deliveries} WHERE webhook NOT IN (SELECT id FROM ${schema}webhooks)`,
      problem: ([webhook]) => `deliveries belong to a webhook with the id ${webhook}, which is missing`,
    },
    {
      sql: `SELECT webhook, event FROM ${deliveries} WHERE state NOT BETWEEN 0 AND ${STATES.length - 1}`,
      problem: ([webhook, event]) => `the delivery of the event ${event} to the webhook ${webhook} has no known state`,
    },
    {
      sql: `SELECT webhook, event FROM ${deliveries} d WHERE due_at IS NULL AND (state = ${State.Resent}
        OR state = ${State.Waiting} AND (document = '' OR NOT EXISTS (
          SELECT 1 FROM ${deliveries} e WHERE e.webhook = d.webhook AND e.document = d.document
            AND e.state = ${State.Waiting} AND e.event < d.event)))`,
      problem: ([webhook, event]) => `the delivery of the event ${event} to the webhook ${webhook} waits for nothing`,
    },
  ]
}

function context(id: string): SealContext {
  return { kind: 'webhook', document: id, position: 0, details: [] }
}
