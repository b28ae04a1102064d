import * as Y from 'yjs'
import { isPlain } from '../documents/plain-value.ts'
import { deletedStructs, newStructs } from '../documents/transaction-structs.ts'

/** An entry of a list as plain values; nobody has checked them. */
export type PlainEntry = Readonly<Record<string, unknown>>

/** What was done to a list whose entries are maps. */
export interface ListChange {
  readonly inserted: readonly PlainEntry[]
  readonly edited: readonly EntryEdit[]
  /** As they were before. */
  readonly removed: readonly PlainEntry[]
}

/**
 * What was written in an entry. A key counts as written even when its value is the same as before: written anew by
 * somebody else, it could win over what its owner writes at the same time.
 */
export interface EntryEdit {
  readonly before: PlainEntry
  readonly after: PlainEntry
  /** The keys of the entry that were written or deleted. */
  readonly written: ReadonlySet<string>
  /** Those of them that were written over the value in `before`: by somebody who knew of it. */
  readonly overwritten: ReadonlySet<string>
  /** The keys of its nested map that were written or deleted. */
  readonly nested: ReadonlySet<string>
}

export interface ListShape {
  /** Each entry may have a map under this key, made with it; all other values are plain. */
  readonly nested?: string
  readonly isRemovable?: boolean
}

/** The structs of a transaction that concern a list, or may. */
export interface ListStructs {
  readonly created: readonly Y.AbstractStruct[]
  readonly deleted: readonly Y.AbstractStruct[]
}

type EntryMap = Y.Map<unknown>

export function structsOf(transaction: Y.Transaction): ListStructs {
  return { created: newStructs(transaction), deleted: deletedStructs(transaction) }
}

/**
 * Describes what `structs` did to `list`, or says what of it is no such change: this looks at each new and each deleted
 * struct, so that nothing is hidden in a place where no event tells of it. `before` is the document as it was.
 */
export function describeListChange(
  { created, deleted }: ListStructs,
  list: Y.Array<EntryMap>,
  before: Y.Doc,
  { nested, isRemovable = false }: ListShape,
): ListChange | { readonly problem: string } {
  const inserted = new Set<Y.Item>()
  const removed = new Set<Y.Item>()
  const edits = new Edits(before)

  for (const struct of created) {
    // What is written in an entry that was removed meanwhile: nobody will ever see it.
    if (isRemovable && struct instanceof Y.GC) continue
    if (!(struct instanceof Y.Item)) return { problem: 'a part of the update is hidden' }
    const place = placeOf(struct.parent, list, nested)
    if (place === undefined) return { problem: 'the change is outside of the list' }
    if (place === 'list') {
      if (struct.parentSub !== null || struct.rightOrigin !== null) return { problem: 'entries are appended only' }
      if (struct.deleted || !isMap(struct)) return { problem: 'only whole entries are inserted' }
      inserted.add(struct)
    } else {
      const problem = valueProblem(struct, place, nested)
      if (problem !== undefined) return { problem }
      edits.add(place, struct)
    }
  }

  for (const struct of deleted) {
    if (!(struct instanceof Y.Item)) continue
    const place = placeOf(struct.parent, list, nested)
    if (place === 'list' && isRemovable) removed.add(struct)
    else if (place === undefined || place === 'list') return { problem: 'entries are not removed' }
    else if (place.entry.deleted) continue
    else if (contentTypeOf(struct) !== undefined) return { problem: 'a nested map is not replaced as a whole' }
    else edits.add(place, struct)
  }
  return {
    inserted: [...inserted].map(plainOf),
    edited: edits
      .all()
      .filter(([item]) => !inserted.has(item))
      .map(([item, keys]) => {
        return { before: beforeOf(item, before), after: plainOf(item), ...keys }
      }),
    removed: [...removed].map((item) => beforeOf(item, before)),
  }
}

interface WrittenKeys {
  readonly written: Set<string>
  readonly overwritten: Set<string>
  readonly nested: Set<string>
}

/** Which keys of which entries were written. */
class Edits {
  readonly #before: Y.Doc
  readonly #keys = new Map<Y.Item, WrittenKeys>()

  constructor(before: Y.Doc) {
    this.#before = before
  }

  add({ entry, isNested }: Place, { parentSub, origin }: Y.Item): void {
    let keys = this.#keys.get(entry)
    if (keys === undefined) {
      keys = { written: new Set(), overwritten: new Set(), nested: new Set() }
      this.#keys.set(entry, keys)
    }
    if (parentSub === null) return
    keys[isNested ? 'nested' : 'written'].add(parentSub)
    if (isNested || origin === null) return
    const known = mapIn(itemIn(this.#before, entry.id))?._map.get(parentSub)
    if (known?.deleted === false && Y.compareIDs(origin, known.lastId)) keys.overwritten.add(parentSub)
  }

  all(): [Y.Item, WrittenKeys][] {
    return [...this.#keys]
  }
}

interface Place {
  readonly entry: Y.Item
  readonly isNested: boolean
}

/** Where a type is: the list, one entry or its nested map. */
function placeOf(type: unknown, list: Y.Array<EntryMap>, nested: string | undefined): 'list' | Place | undefined {
  if (type === list) return 'list'
  if (!(type instanceof Y.Map) || type._item === null) return undefined
  const place = placeOf(type._item.parent, list, nested)
  if (place === 'list') return { entry: type._item, isNested: false }
  if (place === undefined || place.isNested || type._item.parentSub !== nested) return undefined
  return { entry: place.entry, isNested: true }
}

function valueProblem(struct: Y.Item, { isNested }: Place, nested: string | undefined): string | undefined {
  // Where entries are turned into plain objects, this key would not show.
  if (struct.parentSub === null || struct.parentSub === '__proto__') return 'an entry holds named values only'
  // Deleted or overwritten before it was sent.
  if (struct.content instanceof Y.ContentDeleted) return undefined
  if (!isNested && struct.parentSub === nested) return isMap(struct) ? undefined : `${nested} are a map`
  // What lost against a newer value is looked at as well: it is in the update that others get.
  return struct.content instanceof Y.ContentAny && struct.content.arr.length === 1 && isPlain(struct.content.arr[0])
    ? undefined
    : 'a value of a kind that does not belong here'
}

/** Y.XmlHook is a Y.Map by its class, too. */
function isMap(item: Y.Item): boolean {
  const type = contentTypeOf(item)
  return type instanceof Y.Map && type.constructor === Y.Map
}

function contentTypeOf({ content }: Y.Item): unknown {
  return content instanceof Y.ContentType ? content.type : undefined
}

function mapIn(item: Y.Item | undefined): EntryMap | undefined {
  const type = item && contentTypeOf(item)
  return type instanceof Y.Map ? type : undefined
}

function plainOf(item: Y.Item): PlainEntry {
  return mapIn(item)?.toJSON() ?? {}
}

function beforeOf(item: Y.Item, document: Y.Doc): PlainEntry {
  const found = itemIn(document, item.id)
  return found === undefined ? {} : plainOf(found)
}

function itemIn({ store }: Y.Doc, id: Y.ID): Y.Item | undefined {
  if (id.clock >= Y.getState(store, id.client)) return undefined
  const found = Y.getItem(store, id)
  return found instanceof Y.Item ? found : undefined
}
