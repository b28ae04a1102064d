import { useCallback, useMemo, useSyncExternalStore } from 'react'
import type * as Y from 'yjs'
import type { CollaborativeDocument, Readable } from '../api.ts'
import type { PlainArray, PlainMap } from './plain-reader.ts'
import { arrays, emptyArray, emptyMap, emptyText, maps, texts } from './snapshot.ts'

type MaybeDocument = CollaborativeDocument | undefined

/** The text that a document holds under `name`; empty while there is no document yet. Formats are left out. */
export function useText(document: MaybeDocument, name: string): string {
  return useSharedType(document, name, texts, emptyText)
}

/**
 * The Y.Map that a document holds under `name`, with all that is in it, as a plain object: the same one until it
 * changes, as is each object in it. `parse` turns it into something of a type; keep it the same function.
 */
export function useMap(document: MaybeDocument, name: string): PlainMap
export function useMap<T>(document: MaybeDocument, name: string, parse: (map: PlainMap) => T): T
export function useMap(document: MaybeDocument, name: string, parse: (map: PlainMap) => unknown = same): unknown {
  const map = useSharedType(document, name, maps, emptyMap)
  return useMemo(() => parse(map), [map, parse])
}

/**
 * The Y.Array that a document holds under `name`, with all that is in it, as a plain list: the same one until it
 * changes, as is each object in it. `parse` turns it into something of a type; keep it the same function.
 */
export function useArray(document: MaybeDocument, name: string): PlainArray
export function useArray<T>(document: MaybeDocument, name: string, parse: (array: PlainArray) => T): T
export function useArray(document: MaybeDocument, name: string, parse: (array: PlainArray) => unknown = same): unknown {
  const array = useSharedType(document, name, arrays, emptyArray)
  return useMemo(() => parse(array), [array, parse])
}

interface Snapshots<Plain> {
  of(ydoc: Y.Doc, name: string): Readable<Plain>
}

function useSharedType<Plain>(document: MaybeDocument, name: string, snapshots: Snapshots<Plain>, empty: Plain): Plain {
  const ydoc = useYdoc(document)
  const source = useMemo(
    () => (ydoc === undefined ? { get: () => empty, subscribe: () => () => {} } : snapshots.of(ydoc, name)),
    [ydoc, name, snapshots, empty],
  )
  return useSyncExternalStore(source.subscribe, source.get, () => empty)
}

/** Another one after a refused change. */
function useYdoc(document: MaybeDocument): Y.Doc | undefined {
  const subscribe = useCallback((listener: () => void) => document?.onReplaced(listener) ?? (() => {}), [document])
  return useSyncExternalStore(
    subscribe,
    () => document?.ydoc,
    () => undefined,
  )
}

function same<T>(value: T): T {
  return value
}
