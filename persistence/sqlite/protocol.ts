import type { NamedVersion } from '../../model/history.ts'
import type { KeyRing } from '../encryption.ts'
import type { NewEvent, StoredEvent, UntoldChange } from '../event-store.ts'
import type { StoredErasure } from '../people-store.ts'
import type { RestoredBase } from '../restorer.ts'
import type { Seen } from '../seen-store.ts'
import type { NewText, TextSearch } from '../text-index.ts'
import type { NewDeletion } from '../update-log.ts'
import type { Delivery } from '../webhook-store.ts'
import type { AdminCall } from './admin-table.ts'
import type { EventCall } from './event-table.ts'
import type { PushCall } from './push-table.ts'
import type { WebhookCall } from './webhook-table.ts'

/**
 * What a worker thread is for. Each has a connection of its own, so that none waits for another. Writer, reader and
 * compactor live as long as the log, and so do a second reader once somebody searches, an indexer once there is something
 * to index, and the one that makes history end once it is asked to; the others as long as one call.
 */
export type WorkerRole =
  | 'opener'
  | 'writer'
  | 'reader'
  | 'compactor'
  | 'checker'
  | 'backup'
  | 'eraser'
  | 'retention'
  | 'indexer'

export interface WorkerSettings {
  readonly role: WorkerRole
  readonly file: string
  readonly keys: KeyRing | undefined
  /** The id the database must have; undefined only for an opener that may make a new one (see marker.ts). */
  readonly databaseId: string | undefined
}

/** What the main thread asks a worker. `batch`, `messages` and every reply are packed bytes, moved and not copied. */
export type Request =
  | { readonly kind: 'create' }
  | { readonly kind: 'open' }
  | { readonly kind: 'append'; readonly batch: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'load'; readonly document: string }
  | { readonly kind: 'read'; readonly document: string; readonly after: number; readonly until: number }
  | {
      readonly kind: 'documents'
      readonly prefix: string
      readonly after: string
      readonly limit: number
      readonly deleted: boolean
    }
  | ({ readonly kind: 'delete'; readonly document: string } & NewDeletion)
  | { readonly kind: 'undelete'; readonly document: string }
  | { readonly kind: 'free'; readonly document: string }
  | { readonly kind: 'erase'; readonly document: string }
  | { readonly kind: 'erasable'; readonly before: number; readonly limit: number }
  | { readonly kind: 'messages'; readonly room: string; readonly before: number; readonly limit: number }
  | { readonly kind: 'message'; readonly room: string; readonly id: string }
  | { readonly kind: 'known-messages'; readonly room: string; readonly ids: readonly string[] }
  | {
      readonly kind: 'search'
      readonly query: string
      readonly room: string | undefined
      readonly except: readonly string[]
      readonly before: number
      readonly limit: number
    }
  | { readonly kind: 'claim-text'; readonly document: string; readonly forMs: number }
  | { readonly kind: 'put-text'; readonly text: NewText }
  | { readonly kind: 'rebuild-texts' }
  | { readonly kind: 'lagging'; readonly after: number; readonly limit: number }
  | { readonly kind: 'search-texts'; readonly search: TextSearch & { readonly query: string } }
  | { readonly kind: 'texts'; readonly ids: readonly number[] }
  | { readonly kind: 'positions'; readonly documents: readonly string[] }
  | { readonly kind: 'epoch'; readonly document: string }
  | { readonly kind: 'has-changed' }
  | { readonly kind: 'claims'; readonly document: string; readonly after: number }
  | { readonly kind: 'archive'; readonly after: number; readonly limit: number }
  | { readonly kind: 'restore'; readonly messages: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'push'; readonly call: PushCall }
  | { readonly kind: 'event'; readonly call: EventCall }
  | { readonly kind: 'admin'; readonly call: AdminCall }
  | { readonly kind: 'webhook'; readonly call: WebhookCall }
  | { readonly kind: 'restore-events'; readonly events: readonly StoredEvent[]; readonly last: number }
  | { readonly kind: 'restore-untold'; readonly changes: readonly UntoldChange[] }
  | { readonly kind: 'restore-deliveries'; readonly deliveries: readonly Delivery[] }
  | { readonly kind: 'versions'; readonly document: string }
  | {
      readonly kind: 'add-version'
      readonly document: string
      readonly version: NamedVersion
      readonly events: readonly NewEvent[]
    }
  | { readonly kind: 'rename-version'; readonly document: string; readonly id: string; readonly name: string }
  | { readonly kind: 'remove-version'; readonly document: string; readonly id: string }
  | { readonly kind: 'seen'; readonly document: string; readonly user: string }
  | { readonly kind: 'seen-by'; readonly document: string; readonly after: string; readonly limit: number }
  | { readonly kind: 'raise-seen'; readonly document: string; readonly seen: readonly Seen[] }
  | { readonly kind: 'compact'; readonly document: string }
  | { readonly kind: 'forget'; readonly document: string; readonly until: number }
  | { readonly kind: 'pack'; readonly document: string; readonly after: number; readonly until: number }
  | { readonly kind: 'unpacked'; readonly before: number; readonly after: string; readonly limit: number }
  | { readonly kind: 'history-start'; readonly document: string }
  | { readonly kind: 'history-base'; readonly document: string }
  | { readonly kind: 'forgettable'; readonly before: number; readonly after: string; readonly limit: number }
  | { readonly kind: 'restore-base'; readonly restored: RestoredBase }
  | { readonly kind: 'scrub'; readonly document: string; readonly user: string }
  | { readonly kind: 'traces'; readonly user: string; readonly after: string }
  | { readonly kind: 'disown'; readonly user: string; readonly pseudonym: string }
  | { readonly kind: 'sweep' }
  | { readonly kind: 'erasures'; readonly id: string | undefined; readonly since: number }
  | { readonly kind: 'save-erasure'; readonly erasure: StoredErasure }
  | { readonly kind: 'check-next' }
  | { readonly kind: 'backup'; readonly target: string }

/** One worker's work on one open connection. After an error it is closed, and opened again for the next request. */
export interface Role {
  handle(request: Request): Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>
  close(): void
}

/** A new one each time, since what is answered is moved away. */
export function nothing(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(0)
}

/** A request that this role does not serve: a mistake of ours, never the caller's. */
export function unexpectedRequest(role: WorkerRole, request: Request): never {
  throw new Error(`the ${role} got a "${request.kind}" request`)
}
