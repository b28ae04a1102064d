import * as Y from 'yjs'
import { parseDocumentName } from '../../model/document-name.ts'
import { CoweaveError } from '../../model/errors.ts'
import { roomOf } from '../../model/rooms.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { AccessError } from '../access/access-error.ts'
import { allows, type Level } from '../access/grants.ts'
import type { Restrictions } from '../admin/restrictions.ts'
import { type Change, describeChange } from '../documents/change.ts'
import { checkUpdate } from '../documents/check-update.ts'
import { ClientIds } from '../documents/client-ids.ts'
import { DOCUMENT_DELETED } from '../documents/deletions.ts'
import { DocumentSize } from '../documents/document-size.ts'
import type { Durability } from '../documents/durability.ts'
import { type DocumentRules, Guard, RefusedError } from '../documents/guard.ts'
import { RetiredClients } from '../documents/retired-clients.ts'
import { bytesOf } from '../documents/stored-answer.ts'

/** A change that somebody made, or might. */
export interface Question {
  readonly document: string
  readonly user: string
  /** What the user may do there; `write` by default. */
  readonly level?: Level
  /** A Yjs update. */
  readonly update: Uint8Array
}

/** What the server would do with a change of a document as it is now. */
export interface Explanation {
  readonly isAccepted: boolean
  /** The code of what refuses it, and why. */
  readonly refusal: { readonly rule: string; readonly reason: string } | undefined
  /** What it does, as far as that can be told. */
  readonly changes: readonly Change[]
}

export interface ExplainParts {
  readonly log: UpdateLog
  readonly durability: Durability
  readonly restrictions: Pick<Restrictions, 'refuseMuted'>
  /** Of a document. */
  readonly maxBytes: number
  readonly rulesOf: ((document: string) => DocumentRules | undefined) | undefined
}

/**
 * Judges a change of a free-form document as it would be judged, on a copy: nothing comes of it.
 * @throws {StorageError}  @throws {CoweaveError} `document/bad-name`, `document/is-room`
 */
export async function explain(
  { log, durability, restrictions, maxBytes, rulesOf }: ExplainParts,
  { document, user, level = 'write', update }: Question,
): Promise<Explanation> {
  const name = parseDocumentName(document)
  if (roomOf(name) !== undefined) throw new CoweaveError('document/is-room', `${name} is a room, with rules of its own`)
  await durability.settled()
  const stored = await log.load(name)
  const { clients, parts, deleted, retired } = stored
  const ydoc = new Y.Doc()
  ydoc.transact(() => {
    for (const part of parts) Y.applyUpdate(ydoc, part)
  })
  const rules = rulesOf?.(name)
  let changes: readonly Change[] = []
  const refused = (rule: string, reason: string) => ({ isAccepted: false, refusal: { rule, reason }, changes })
  if (deleted !== undefined) return refused(DOCUMENT_DELETED, 'the document was deleted')
  if (!allows(level, 'write')) return refused('access/no-grant', `"${level}" is not enough to change a document`)
  try {
    const decoded = checkUpdate(update)
    changes = changesOf(ydoc, update, rules)
    restrictions.refuseMuted(user, name)
    new DocumentSize(ydoc, bytesOf(stored), maxBytes).admit(update, decoded.ranges)
    new RetiredClients(retired).refuseUpdate(name, decoded)
    new ClientIds(clients).check(ydoc, decoded.ranges, user)
    const principal = { user, name: user, grants: [], expires: undefined, admin: false, relay: false, agent: false }
    if (rules !== undefined) new Guard(ydoc, rules).admit(update, decoded, { principal, level })
  } catch (error) {
    if (error instanceof RefusedError) return refused(error.code, error.reason)
    if (error instanceof AccessError) return refused(error.code, error.message)
    return refused('document/malformed-update', 'the update can not be applied')
  }
  return { isAccepted: true, refusal: undefined, changes }
}

function changesOf(document: Y.Doc, update: Uint8Array, rules: DocumentRules | undefined): readonly Change[] {
  const copy = new Y.Doc({ gc: false })
  rules?.define(copy)
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(document))
  let changes: readonly Change[] = []
  copy.once('afterTransaction', (transaction: Y.Transaction) => {
    const described = describeChange(transaction)
    if (!('problem' in described)) changes = described
  })
  Y.applyUpdate(copy, update)
  return changes
}
