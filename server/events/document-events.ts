import { randomUUID } from 'node:crypto'
import type { NewEvent } from '../../persistence/event-store.ts'

/** That a document was deleted, with the chat beside it. The log leaves it out where the document is deleted already. */
export function documentDeletedEvent(document: string, { at, by }: { at: number; by: string }): NewEvent {
  return { id: randomUUID(), kind: 'document.deleted', at, document, users: [by], json: JSON.stringify({ by }) }
}
