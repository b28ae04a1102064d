import { randomUUID } from 'node:crypto'
import type { NamedVersion } from '../../model/history.ts'
import type { NewEvent } from '../../persistence/event-store.ts'

/** That a document was deleted, with the chat beside it. The log leaves it out where the document is deleted already. */
export function documentDeletedEvent(document: string, { at, by }: { at: number; by: string }): NewEvent {
  return { id: randomUUID(), kind: 'document.deleted', at, document, users: [by], json: JSON.stringify({ by }) }
}

/** That a position of a document was given a name, which whoever may read the document finds by its id. */
export function versionNamed(document: string, { id, position, author, at }: NamedVersion): NewEvent {
  const json = JSON.stringify({ id, position })
  return { id: randomUUID(), kind: 'version.named', at, document, users: [author], json }
}
