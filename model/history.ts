/** Who wrote something, and with which row of the log. */
export interface Authored {
  /** '' for the server itself. */
  readonly user: string
  /** ms since 1970 */
  readonly at: number
  readonly position: number
}

/**
 * - `inserted`, `deleted`: the part is new, or is there no more;
 * - `formatted`: the text is the same and its marks differ;
 * - `changed`: another value of the same key.
 */
export interface Change extends Authored {
  readonly kind: 'inserted' | 'deleted' | 'formatted' | 'changed'
}

export type Marks = Readonly<Record<string, unknown>>

/**
 * A run of text, or something embedded in it, all of it with the same marks and changed by the same user; `change` has
 * time and position of the latest. Of what was deleted, `marks` are those it had.
 */
export type Run = ({ readonly text: string } | { readonly embed: unknown } | { readonly node: HistoryNode }) & {
  readonly marks: Marks
  readonly change?: Change
  /** The marks before, where it was `formatted`. */
  readonly before?: Marks
}

/** A value, or a shared type inside another one. */
export type HistoryValue = { readonly value: unknown } | { readonly node: HistoryNode }

/** What a map has under a key, or an element as an attribute; of what was deleted, what it had. */
export type Entry = HistoryValue & {
  readonly key: string
  readonly change?: Change
  /** What was there before, where it `changed`. */
  readonly before?: HistoryValue
}

/** A shared type with what changed in it. Bytes are base64. */
export type HistoryNode = { readonly change?: Change } & (
  | { readonly type: 'text'; readonly runs: readonly Run[]; readonly attributes?: readonly Entry[] }
  | {
      readonly type: 'element'
      readonly name: string
      readonly attributes: readonly Entry[]
      readonly children: readonly HistoryNode[]
    }
  | { readonly type: 'fragment'; readonly children: readonly HistoryNode[] }
  | { readonly type: 'array'; readonly items: readonly (HistoryValue & { readonly change?: Change })[] }
  | { readonly type: 'map'; readonly entries: readonly Entry[] }
  /** Nested too deep to be shown. */
  | { readonly type: 'omitted' }
)

/** One of a document's top-level types. What kind of type it is, its content tells: one without any is left out. */
export interface HistoryRoot {
  readonly name: string
  readonly content: HistoryNode
}

/** What changed between two positions. */
export interface Difference {
  readonly from: number
  readonly to: number
  readonly roots: readonly HistoryRoot[]
}

/** One user's edits without a longer pause. Those of several users may overlap. */
export interface EditingSession {
  readonly user: string
  /** Time and position of the first row and the last. */
  readonly from: Authored['at']
  readonly to: Authored['at']
  readonly firstPosition: number
  readonly lastPosition: number
  /** How many rows of the log it is. */
  readonly updates: number
  /** Characters and other items that it brought, and that it deleted; formatting is not counted as brought. */
  readonly inserted: number
  readonly deleted: number
}

/** A position that was given a name. */
export interface NamedVersion {
  readonly id: string
  readonly position: number
  readonly name: string
  /** Who gave it, and when. */
  readonly author: string
  readonly at: number
}
