import type * as Y from 'yjs'
import type { Readable, Stop } from '../api.ts'
import { type PlainArray, type PlainMap, PlainReader } from './plain-reader.ts'

type SharedType = Y.Text | Y.Map<unknown> | Y.Array<unknown>

/** What a Yjs type of a document holds, as plain values. The type is watched only while somebody subscribes. */
class Snapshot<Type extends SharedType, Plain> implements Readable<Plain> {
  readonly #type: Type
  readonly #read: (type: Type, reader: PlainReader) => Plain
  readonly #reader = new PlainReader()
  readonly #listeners = new Set<() => void>()

  constructor(type: Type, read: (type: Type, reader: PlainReader) => Plain) {
    this.#type = type
    this.#read = read
  }

  readonly get = (): Plain => {
    if (this.#listeners.size === 0) this.#reader.forgetAll()
    return this.#read(this.#type, this.#reader)
  }

  readonly subscribe = (listener: () => void): Stop => {
    if (this.#listeners.size === 0) {
      this.#reader.forgetAll()
      this.#type.observeDeep(this.#changed)
    }
    const own = () => listener()
    this.#listeners.add(own)
    return () => {
      if (this.#listeners.delete(own) && this.#listeners.size === 0) this.#type.unobserveDeep(this.#changed)
    }
  }

  readonly #changed = (events: readonly { readonly target: unknown }[]): void => {
    for (const { target } of events) this.#reader.forget(target)
    for (const listener of [...this.#listeners]) listener()
  }
}

/** The snapshots of documents' types of one kind: one for each type, however many components show it. */
class Snapshots<Type extends SharedType, Plain> {
  readonly #typeOf: (ydoc: Y.Doc, name: string) => Type
  readonly #read: (type: Type, reader: PlainReader) => Plain
  readonly #all = new WeakMap<Y.Doc, Map<string, Snapshot<Type, Plain>>>()

  constructor(typeOf: (ydoc: Y.Doc, name: string) => Type, read: (type: Type, reader: PlainReader) => Plain) {
    this.#typeOf = typeOf
    this.#read = read
  }

  /** @throws {Error} where the document has the name for a type of another kind */
  of(ydoc: Y.Doc, name: string): Readable<Plain> {
    const all = this.#all.get(ydoc) ?? new Map<string, Snapshot<Type, Plain>>()
    this.#all.set(ydoc, all)
    const snapshot = all.get(name) ?? new Snapshot(this.#typeOf(ydoc, name), this.#read)
    all.set(name, snapshot)
    return snapshot
  }
}

export const texts = new Snapshots(
  (ydoc, name): Y.Text => ydoc.getText(name),
  (text): string => text.toString(),
)

export const maps = new Snapshots(
  (ydoc, name): Y.Map<unknown> => ydoc.getMap(name),
  (map, reader): PlainMap => reader.map(map),
)

export const arrays = new Snapshots(
  (ydoc, name): Y.Array<unknown> => ydoc.getArray(name),
  (array, reader): PlainArray => reader.array(array),
)

export const emptyText = ''
export const emptyMap: PlainMap = Object.freeze({})
export const emptyArray: PlainArray = Object.freeze([])
