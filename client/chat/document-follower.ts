import type * as Y from 'yjs'
import type { CollaborativeDocument, RefusedChange, Stop } from '../api.ts'

export interface DocumentEvents {
  /** The content changed, or how it is connected. */
  onChange(): void
  onRefused?(change: RefusedChange): void
  /** Called with the first Y.Doc, and with each one that takes its place. What it returns ends its use. */
  onDoc?(ydoc: Y.Doc): Stop
}

/** Follows a document, also when its Y.Doc is replaced. */
export function followDocument(document: CollaborativeDocument, events: DocumentEvents): Stop {
  const changed = () => events.onChange()
  const use = (ydoc: Y.Doc): Stop => {
    const leave = events.onDoc?.(ydoc)
    ydoc.on('update', changed)
    return () => {
      ydoc.off('update', changed)
      leave?.()
    }
  }
  let leave = use(document.ydoc)
  const stops = [
    document.state.subscribe(changed),
    document.onRefused((change) => events.onRefused?.(change)),
    document.onReplaced((ydoc) => {
      leave()
      leave = use(ydoc)
      changed()
    }),
  ]
  return () => {
    leave()
    for (const stop of stops) stop()
  }
}

/** The server's content is here, and edits reach it. */
export function isOnline({ state }: CollaborativeDocument): boolean {
  const { status, synced } = state.get()
  return status.kind === 'online' && synced
}
