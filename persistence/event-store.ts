import { randomUUID } from 'node:crypto'
import { checksum } from './checksum.ts'
import type { KeyRing } from './encryption.ts'
import { type SealContext, type SealedBytes, seal, unseal } from './sealed-bytes.ts'
import { StorageError } from './storage-error.ts'

/** Something that happened, on its way into the log together with the update that made it happen. */
export interface NewEvent {
  /** Unique for ever: of events with the same id, the first is kept. */
  readonly id: string
  /** `<thing>.<what became of it>` */
  readonly kind: string
  /** When it happened, ms since 1970. */
  readonly at: number
  /** Where it happened; '' for no single document. */
  readonly document: string
  /** Whom it concerns. Updates of one batch may share an event: then it concerns the users of those that are stored. */
  readonly users: readonly string[]
  /** The rest that is told of it, as JSON. */
  readonly json: string
}

export interface StoredEvent extends NewEvent {
  /** Its place among all events, from 1, with gaps. */
  readonly number: number
}

export interface EventRange {
  /** The number of the last event that was read. */
  readonly after: number
  readonly limit: number
  /** The only kind to read. */
  readonly kind?: string | undefined
}

/** A document of which updates are in the log that no event told of yet. */
export interface UntoldChange {
  readonly document: string
  /** The last position before them. */
  readonly since: number
  /** When the first of them was taken, ms since 1970. */
  readonly at: number
}

/**
 * What happened, for who is told of it later: webhooks, billing. Events are stored by append(), with the updates that
 * made them happen, and are read in the order of their numbers. An event never appears behind one that was read, also with
 * several processes writing, so that a number is all that a reader has to remember.
 *
 * Every implementation passes the suite in test/persistence/event-store-contract.ts. Calls reject as those of UpdateLog.
 */
export interface EventStore {
  /**
   * Events above `after`, lowest first. A page may be shorter than `limit` where events are large: there is nothing more
   * only once it is empty. In the place of one that is damaged comes one of the kind DAMAGED_EVENT, so that those behind it
   * are read, and the log's `onProblem` is told.
   * @throws {StorageError} `storage/key`
   */
  read(range: EventRange): Promise<StoredEvent[]>

  /** The highest number that was ever given, 0 for none. */
  last(): Promise<number>

  /** Stores events that no update made happen, those whose ids are new. */
  add(events: readonly NewEvent[]): Promise<void>

  /**
   * Free-form documents with updates that no event told of yet, the last of which was taken at `quietSince` or earlier, or
   * the first at `waitingSince` or earlier; the first to be changed first. Append() notes them in its own commit. A document
   * that is deleted is none of them; one that is restored is, also without new updates.
   */
  untold(options: {
    readonly quietSince: number
    readonly waitingSince: number
    readonly limit: number
  }): Promise<UntoldChange[]>

  /**
   * Stores an event `document.changed` for each of these documents that has updates which no event told of yet. Whoever
   * calls it, also several at once, each update is told of once. Its `users` are who wrote them, up to MAX_AUTHORS.
   */
  tellChanges(documents: readonly string[]): Promise<void>

  /** Deletes up to `limit` of the oldest events that happened before `before`, and returns how many. */
  forget(options: { readonly before: number; readonly limit: number }): Promise<number>

  /** Deletes the events of these numbers, and returns how many there were. */
  remove(numbers: readonly number[]): Promise<number>

  /**
   * Makes `owner` the only one who works for a consumer, for so long, or for longer. Returns the number of the last event
   * that the consumer is done with, 0 at first; undefined while another owner has it. By the clock of the database.
   */
  claim(consumer: string, options: { readonly owner: string; readonly forMs: number }): Promise<number | undefined>

  /** Writes down that a consumer is done with all events up to `last`. False if `owner` no longer works for it. */
  pass(consumer: string, options: { readonly owner: string; readonly last: number }): Promise<boolean>

  /** The number of the last event that a consumer is done with, whoever works for it; 0 for an unknown one. */
  passed(consumer: string): Promise<number>

  /** Lets others claim a consumer at once, if `owner` works for it. */
  release(consumer: string, owner: string): Promise<void>
}

/** In the place of an event that can't be read: of what it told, only its number is known. Its JSON says what is wrong. */
export const DAMAGED_EVENT = 'event.damaged'

/** Of many who wrote in a document, so many are told. */
export const MAX_AUTHORS = 100

/** What the updates of a document behind `since`, up to `position`, are told as. `authors` may hold the server itself. */
export function documentChanged(change: {
  readonly document: string
  readonly since: number
  readonly position: number
  readonly at: number
  readonly authors: readonly string[]
}): NewEvent {
  const { document, since, position, at, authors } = change
  const users = authors.filter((author) => author !== '').slice(0, MAX_AUTHORS)
  return { id: randomUUID(), kind: 'document.changed', at, document, users, json: JSON.stringify({ position, since }) }
}

/** An event's bytes as they are stored, with the checksum over all of the row but its number. */
export interface SealedEvent extends SealedBytes {
  readonly checksum: number
}

/** What parseEvent() takes. */
export const EVENT_COLUMNS = 'number, id, kind, at, document, key, data, checksum'
/** A page of events ends with the one that takes it over this. */
export const EVENT_PAGE_BYTES = 1024 * 1024

type EventKey = Pick<NewEvent, 'id' | 'kind' | 'at' | 'document'>

export function sealEvent(keys: KeyRing | undefined, event: NewEvent): SealedEvent {
  const plain = Buffer.from(`{"users":${JSON.stringify(event.users)},"data":${event.json}}`)
  const sealed = seal(keys, plain, context(event))
  return { ...sealed, checksum: eventChecksum(event, sealed) }
}

/** Verifies a row of EVENT_COLUMNS. @throws {StorageError} `storage/corrupt` or `storage/key`, naming the event */
export function parseEvent(keys: KeyRing | undefined, values: readonly unknown[]): StoredEvent {
  const [number, id, kind, at, document, key, data, sum] = values
  if (
    typeof number === 'number' &&
    typeof id === 'string' &&
    typeof kind === 'string' &&
    typeof at === 'number' &&
    typeof document === 'string' &&
    (key === null || typeof key === 'string') &&
    data instanceof Uint8Array
  ) {
    const event = { id, kind, at, document }
    const sealed = { key, data }
    if (eventChecksum(event, sealed) === sum) {
      const content = JSON.parse(Buffer.from(unseal(keys, sealed, context(event))).toString())
      return { number, ...event, users: content.users, json: JSON.stringify(content.data) }
    }
  }
  throw new StorageError('storage/corrupt', `bad checksum of event ${String(number)}`)
}

/** As parseEvent(), with an event of the kind DAMAGED_EVENT in the place of a damaged one. @throws {StorageError} `storage/key` */
export function readEvent(keys: KeyRing | undefined, values: readonly unknown[]): StoredEvent {
  try {
    return parseEvent(keys, values)
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== 'storage/corrupt') throw error
    const number = Number(values[0])
    const json = JSON.stringify({ problem: error.message })
    return { number, id: `damaged-${number}`, kind: DAMAGED_EVENT, at: 0, document: '', users: [], json }
  }
}

/** What is wrong with an event that was read; undefined for one that is as it was stored. */
export function damageOf({ kind, json }: StoredEvent): StorageError | undefined {
  return kind === DAMAGED_EVENT ? new StorageError('storage/corrupt', String(JSON.parse(json).problem)) : undefined
}

/** Tells of those that are damaged. Returns all. */
export function tellDamages(events: StoredEvent[], onProblem: (error: Error) => void): StoredEvent[] {
  for (const damage of events.map(damageOf)) if (damage !== undefined) onProblem(damage)
  return events
}

/** Events with the same id as one, with the users of all of them. */
export function joinEvents(events: readonly NewEvent[]): NewEvent[] {
  return [...Map.groupBy(events, ({ id }) => id).values()].flatMap((same) => {
    const [first] = same
    if (first === undefined || same.length === 1) return same
    return [{ ...first, users: [...new Set(same.flatMap(({ users }) => users))] }]
  })
}

function context({ id, kind, at, document }: EventKey): SealContext {
  return { kind: 'event', document, position: 0, details: [id, kind, at] }
}

function eventChecksum({ id, kind, at, document }: EventKey, { key, data }: SealedBytes): number {
  return checksum([at], id, kind, document, key ?? '', data)
}
