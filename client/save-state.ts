/**
 * What is known about whether one document's edits are safe, from facts alone: what was sent on the socket, what
 * the server acknowledged (it does so after its fsync), what this device's storage took.
 *
 * The provider's own `unsyncedChanges` is not used. It starts again at 1 with each connection although edits may be
 * on their way, so it reaches 0 before they are acknowledged.
 */
export interface SaveState {
  /** Own edits: those made here, and restored ones that were never acknowledged, which come first. */
  readonly edits: number
  /** How many of `edits`, the oldest first, the server has acknowledged. */
  readonly acknowledged: number
  /** Frames on this connection whose acknowledgement is due, the oldest first. */
  readonly due: readonly SentFrame[]
  /** Whether everything that the server lacked was sent over this connection. */
  readonly fullSync: 'none' | 'sent' | 'acknowledged'
  /** This device's storage takes edits. */
  readonly kept: boolean
  /** How many of `edits`, the oldest first, its storage has committed. */
  readonly stored: number
}

interface SentFrame {
  readonly full: boolean
  /** How many of the edits, the oldest first, are on the server once it acknowledges this frame. */
  readonly completes: number
}

export type Fact =
  /** The local copy was read, or there is none; `unacknowledged` edits in it were not saved when it was written. */
  | { readonly type: 'restored'; readonly unacknowledged: number; readonly kept: boolean }
  /** This device's storage has committed the first `edits` edits. */
  | { readonly type: 'stored'; readonly edits: number }
  /** This device's storage failed, or takes too long. */
  | { readonly type: 'unkept' }
  | { readonly type: 'edited' }
  /** A connection begins, or has ended: what was due is due no more. */
  | { readonly type: 'disconnected' }
  /** `full` answers the server's state vector with everything it lacks; `update` is one edit. */
  | { readonly type: 'sent'; readonly frame: 'full' | 'update' }
  | { readonly type: 'answered'; readonly applied: boolean }

const disconnected = { due: [], fullSync: 'none' } as const

export const initialSaveState: SaveState = { ...disconnected, edits: 0, acknowledged: 0, kept: false, stored: 0 }

export function afterFact(state: SaveState, fact: Fact): SaveState {
  switch (fact.type) {
    case 'restored':
      return { ...state, edits: state.edits + fact.unacknowledged, stored: fact.unacknowledged, kept: fact.kept }
    case 'stored':
      return { ...state, kept: true, stored: Math.max(state.stored, fact.edits) }
    case 'unkept':
      return { ...state, kept: false }
    case 'edited':
      return { ...state, edits: state.edits + 1 }
    case 'disconnected':
      return { ...state, ...disconnected }
    case 'sent':
      return afterSent(state, fact.frame)
    case 'answered':
      return afterAnswer(state, fact.applied)
  }
}

/**
 * An update on its own completes nothing before this connection's full sync: edits that were lost with an earlier
 * one may be missing before it.
 */
function afterSent(state: SaveState, frame: 'full' | 'update'): SaveState {
  const full = frame === 'full'
  const sent = { full, completes: full || state.fullSync !== 'none' ? state.edits : 0 }
  return { ...state, due: [...state.due, sent], fullSync: state.fullSync === 'none' && full ? 'sent' : state.fullSync }
}

/** The server answers a connection's frames in their order. An answer to nothing is one to a former replica. */
function afterAnswer(state: SaveState, applied: boolean): SaveState {
  const [first, ...due] = state.due
  if (first === undefined) return state
  // What follows is no proof that this one is there: only another full sync is.
  if (!applied) return { ...state, due: due.map((frame) => ({ ...frame, completes: 0 })), fullSync: 'none' }
  const acknowledged = Math.max(state.acknowledged, first.completes)
  return { ...state, due, acknowledged, fullSync: first.full ? 'acknowledged' : state.fullSync }
}

export function unacknowledgedEdits(state: SaveState): number {
  return state.edits - state.acknowledged
}

/** How many edits neither the server nor this device's storage has. */
export function unsafeEdits({ edits, acknowledged, stored, kept }: SaveState): number {
  return edits - Math.max(acknowledged, kept ? stored : 0)
}

/** Whether the server has said, over this connection, that it has everything. */
export function isSaved(state: SaveState): boolean {
  return state.fullSync === 'acknowledged' && unacknowledgedEdits(state) === 0
}
