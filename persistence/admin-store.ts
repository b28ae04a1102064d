import { checksum } from './checksum.ts'
import { StorageError } from './storage-error.ts'
import type { Deletion } from './update-log.ts'

/**
 * `mute`: may read, not write. `revocation`: tokens issued up to `at` are refused. `kick`: has no length, and closes the
 * connections that there are.
 */
export const restrictionKinds = ['mute', 'revocation', 'kick'] as const
export type RestrictionKind = (typeof restrictionKinds)[number]

/** What an admin keeps a user from. There is one of a kind, user and document: the last one. */
export interface NewRestriction {
  readonly kind: RestrictionKind
  readonly user: string
  /** '' for all documents. */
  readonly document: string
  /** Since when, ms since 1970. */
  readonly at: number
  /** Until when, ms since 1970; undefined for as long as nobody takes it back, which is to end it at once. */
  readonly until: number | undefined
  /** The admin. */
  readonly by: string
}

export interface Restriction extends NewRestriction {
  /** Its place among all changes of restrictions, from 1. */
  readonly version: number
}

/** An admin sends a user away who has connected before then, from one document or, where it is empty, all. */
export type Kick = Pick<Restriction, 'user' | 'document' | 'at'>

/** Something that an admin is about to do. */
export interface NewAction {
  /** ms since 1970. */
  readonly at: number
  readonly admin: string
  readonly action: string
  /** To whom and in which document; '' for neither. */
  readonly user: string
  readonly document: string
  /** What else there is to tell, for people. */
  readonly detail: string
}

export interface AdminAction extends NewAction {
  /** From 1, without gaps. */
  readonly number: number
  /** What became of it; undefined while it goes on, and for ever where the server ended meanwhile. */
  readonly outcome: string | undefined
}

/** What the log holds of a document, without anything it says. */
export interface DocumentFigures {
  readonly createdAt: number
  readonly updatedAt: number
  /** Of its last row. */
  readonly position: number
  /** Up to which its rows are forgotten; 0 for none. */
  readonly forgotten: number
  /** Of all its rows, forgotten ones too. */
  readonly bytes: number
  /** The position 0 stands for no snapshot. */
  readonly snapshot: { readonly position: number; readonly bytes: number }
  /** Of the rows behind the snapshot. */
  readonly tailBytes: number
  readonly deleted: Deletion | undefined
}

/**
 * What admins do: the log of it, and whom they keep from what. For whoever decides by it, see server/admin.
 *
 * Every implementation passes the suite in test/persistence/admin-store-contract.ts. Calls reject as those of UpdateLog.
 */
export interface AdminStore {
  /** Writes down what is about to be done, and resolves with its number once that survives a power cut. */
  begin(action: NewAction): Promise<number>

  /** Writes down what became of it; the first time counts. */
  end(number: number, outcome: string): Promise<void>

  /**
   * The newest `limit` actions below `before`, newest first.
   * @throws {StorageError} `storage/corrupt`, naming the action
   */
  actions(page: { readonly before?: number | undefined; readonly limit: number }): Promise<AdminAction[]>

  /** Stores actions under the numbers they have in another log; those that are there stay. */
  restore(actions: readonly AdminAction[]): Promise<void>

  /** Puts a restriction in the place of that of the same kind, user and document, and resolves with its version. */
  restrict(restriction: NewRestriction): Promise<number>

  /**
   * Restrictions with a version above `after`, by version, those that are over as well. Never does one appear behind one
   * that was read.
   * @throws {StorageError} `storage/corrupt`, naming user and document
   */
  restrictions(options: { readonly after: number }): Promise<Restriction[]>

  /** Undefined for an unknown document. @throws {StorageError} `storage/corrupt` */
  figures(document: string): Promise<DocumentFigures | undefined>
}

/** What parseRestriction() takes. */
export const RESTRICTION_COLUMNS = 'version, kind, subject, document, at, until, admin, checksum'
/** What parseAction() takes. */
export const ACTION_COLUMNS = 'number, at, admin, action, subject, document, detail, outcome, checksum'

export function restrictionChecksum({ version, kind, user, document, at, until, by }: Restriction): number {
  return checksum([version, at, until ?? -1], kind, user, document, by)
}

export function actionChecksum(row: AdminAction): number {
  const { number, at, admin, action, user, document, detail, outcome } = row
  return checksum([number, at, outcome === undefined ? 0 : 1], admin, action, user, document, detail, outcome ?? '')
}

/** Verifies a row of RESTRICTION_COLUMNS. @throws {StorageError} `storage/corrupt` */
export function parseRestriction(values: readonly unknown[]): Restriction {
  const [version, kindText, user, document, at, until, by, sum] = values
  const kind = restrictionKinds.find((known) => known === kindText)
  if (
    typeof version === 'number' &&
    kind !== undefined &&
    typeof user === 'string' &&
    typeof document === 'string' &&
    typeof at === 'number' &&
    (until === null || typeof until === 'number') &&
    typeof by === 'string'
  ) {
    const restriction = { version, kind, user, document, at, until: until ?? undefined, by }
    if (restrictionChecksum(restriction) === sum) return restriction
  }
  const problem = `bad checksum of the restriction of ${String(user)} in "${String(document)}"`
  throw new StorageError('storage/corrupt', problem)
}

/** Verifies a row of ACTION_COLUMNS. @throws {StorageError} `storage/corrupt` */
export function parseAction(values: readonly unknown[]): AdminAction {
  const [number, at, admin, name, user, document, detail, outcome, sum] = values
  if (
    typeof number === 'number' &&
    typeof at === 'number' &&
    typeof admin === 'string' &&
    typeof name === 'string' &&
    typeof user === 'string' &&
    typeof document === 'string' &&
    typeof detail === 'string' &&
    (outcome === null || typeof outcome === 'string')
  ) {
    const action = { number, at, admin, action: name, user, document, detail, outcome: outcome ?? undefined }
    if (actionChecksum(action) === sum) return action
  }
  throw new StorageError('storage/corrupt', `bad checksum of the admins' action ${String(number)}`)
}

/** Text that is stored as it was given. */
export function storableAction<T extends NewAction>(action: T): T {
  const { admin, user, document, detail } = action
  return {
    ...action,
    admin: admin.toWellFormed(),
    user: user.toWellFormed(),
    document: document.toWellFormed(),
    detail: detail.toWellFormed(),
  }
}

export function storableRestriction(restriction: NewRestriction): NewRestriction {
  const { user, document, by } = restriction
  return { ...restriction, user: user.toWellFormed(), document: document.toWellFormed(), by: by.toWellFormed() }
}
