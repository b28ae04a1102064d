import { CloseCode } from '../../../model/close-codes.ts'

/**
 * What is known about whether one document's edits are safe, from facts alone: what was sent on the socket, what
 * the server acknowledged (it does so after its fsync), what the browser's storage took.
 *
 * The provider's own `unsyncedChanges` is not used. It starts again at 1 with each connection although frames
 * queued while offline follow, so it reaches 0 before they are acknowledged.
 */
export interface SaveState {
  readonly socket: 'connecting' | 'open' | 'lost'
  readonly authenticated: boolean
  readonly readOnly: boolean
  /** The server's content has arrived on this socket. */
  readonly synced: boolean
  /** Own edits: those made since the page was opened, and restored ones that were never acknowledged. */
  readonly edits: number
  /** How many of `edits`, the oldest first, the server has acknowledged. */
  readonly acknowledged: number
  /** Frames on this socket whose acknowledgement is due, the oldest first. */
  readonly due: readonly SentFrame[]
  readonly fullSync: 'none' | 'sent' | 'acknowledged'
  /** The browser's storage takes edits. */
  readonly kept: boolean
  /** How many of `edits`, the oldest first, its storage has committed. */
  readonly stored: number
  readonly refusal: Refusal | undefined
}

interface SentFrame {
  readonly full: boolean
  /** How many of the edits, the oldest first, are on the server once it acknowledges this frame. */
  readonly completes: number
}

export interface Refusal {
  readonly reason:
    | 'unauthorized'
    | 'forbidden'
    | 'rejected'
    | 'timeout'
    | 'client-id-taken'
    | 'deleted'
    | 'too-big'
    | 'schema-too-old'
    | 'too-many'
    | 'other'
  /** The server's words, if it said any. */
  readonly message: string
}

export type Fact =
  /** The local copy was read, or there is none; `unacknowledged` edits in it were not saved when it was written. */
  | { readonly type: 'restored'; readonly unacknowledged: number; readonly kept: boolean }
  /** The browser's storage has committed the first `edits` edits. */
  | { readonly type: 'stored'; readonly edits: number }
  /** The browser's storage failed, or takes too long. */
  | { readonly type: 'unkept' }
  | { readonly type: 'edited' }
  | { readonly type: 'opened' }
  | { readonly type: 'authenticated'; readonly readOnly: boolean }
  /** `full` answers the server's state vector with everything it lacks; `update` is one edit. */
  | { readonly type: 'sent'; readonly frame: 'full' | 'update' }
  | { readonly type: 'answered'; readonly applied: boolean }
  | { readonly type: 'synced' }
  /** `deliberate`: closed by this page, which connects again at once. */
  | { readonly type: 'closed'; readonly deliberate: boolean }
  | { readonly type: 'refused'; readonly refusal: Refusal }
  /** The user asked to try again. */
  | { readonly type: 'retried' }

export type SaveStatus =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'saved' }
  | { readonly kind: 'saving' }
  | { readonly kind: 'offline'; readonly changes: number; readonly kept: boolean }
  | { readonly kind: 'read-only'; readonly changes: number; readonly kept: boolean }
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly changes: number; readonly kept: boolean }

const disconnected = { authenticated: false, synced: false, due: [], fullSync: 'none' } as const

export const initialSaveState: SaveState = {
  ...disconnected,
  socket: 'connecting',
  readOnly: false,
  edits: 0,
  acknowledged: 0,
  kept: false,
  stored: 0,
  refusal: undefined,
}

export function afterFact(state: SaveState, fact: Fact): SaveState {
  switch (fact.type) {
    case 'restored':
      return { ...state, edits: fact.unacknowledged, stored: fact.unacknowledged, kept: fact.kept }
    case 'stored':
      return { ...state, kept: true, stored: Math.max(state.stored, fact.edits) }
    case 'unkept':
      return { ...state, kept: false }
    case 'edited':
      return { ...state, edits: state.edits + 1 }
    case 'opened':
      return { ...state, ...disconnected, socket: 'open' }
    case 'authenticated':
      return { ...state, authenticated: true, readOnly: fact.readOnly, refusal: undefined }
    case 'sent':
      return afterSent(state, fact.frame)
    case 'answered':
      return afterAnswer(state, fact.applied)
    case 'synced':
      return { ...state, synced: true }
    case 'closed':
      return { ...state, ...disconnected, socket: fact.deliberate ? 'connecting' : 'lost' }
    case 'refused':
      return { ...state, refusal: fact.refusal }
    case 'retried':
      return { ...state, refusal: undefined, socket: 'connecting' }
  }
}

/**
 * An update on its own completes nothing before this socket's full sync: edits that were lost with an earlier
 * socket may be missing before it.
 */
function afterSent(state: SaveState, frame: 'full' | 'update'): SaveState {
  const full = frame === 'full'
  const sent = { full, completes: full || state.fullSync !== 'none' ? state.edits : 0 }
  return { ...state, due: [...state.due, sent], fullSync: state.fullSync === 'none' && full ? 'sent' : state.fullSync }
}

/** The server answers a socket's frames in their order. */
function afterAnswer(state: SaveState, applied: boolean): SaveState {
  const [first, ...due] = state.due
  if (first === undefined) return state
  if (!applied) {
    // A reader's edits are turned down as a matter of course; that is what read-only says.
    return state.readOnly ? { ...state, due } : { ...state, due, refusal: { reason: 'rejected', message: '' } }
  }
  const acknowledged = Math.max(state.acknowledged, first.completes)
  return { ...state, due, acknowledged, fullSync: first.full ? 'acknowledged' : state.fullSync }
}

export function unacknowledgedEdits(state: SaveState): number {
  return state.edits - state.acknowledged
}

/** Whether there are edits that neither the server nor the browser's storage has. */
export function hasUnsafeEdits({ edits, acknowledged, stored, kept }: SaveState): boolean {
  return Math.max(acknowledged, kept ? stored : 0) < edits
}

/** Whether everything on this page is on the server's disk. */
export function isSaved(state: SaveState): boolean {
  return statusOf(state).kind === 'saved'
}

export function statusOf(state: SaveState): SaveStatus {
  const { kept, refusal } = state
  const unacknowledged = unacknowledgedEdits(state)
  // An edit is counted as kept once it is: for the moment until then, the number is that of the edits before it.
  const changes = kept ? Math.max(0, state.stored - state.acknowledged) : unacknowledged
  if (refusal !== undefined) return { kind: 'refused', refusal, changes, kept }
  if (state.socket === 'lost') return { kind: 'offline', changes, kept }
  const connected = state.socket === 'open' && state.authenticated && state.synced
  if (connected && state.readOnly) return { kind: 'read-only', changes, kept }
  if (unacknowledged > 0) return { kind: 'saving' }
  return connected && state.fullSync === 'acknowledged' ? { kind: 'saved' } : { kind: 'connecting' }
}

/** What a close code that forbids coming back unchanged means here. */
export function refusalFor(code: number, message: string): Refusal {
  return { reason: reasons.get(code) ?? 'other', message }
}

const reasons = new Map<number, Refusal['reason']>([
  [CloseCode.Unauthorized, 'unauthorized'],
  [CloseCode.Forbidden, 'forbidden'],
  [CloseCode.Timeout, 'timeout'],
  [CloseCode.ClientIdTaken, 'client-id-taken'],
  [CloseCode.Deleted, 'deleted'],
  [CloseCode.TooBig, 'too-big'],
  [CloseCode.SchemaTooOld, 'schema-too-old'],
  [CloseCode.TooMany, 'too-many'],
])
