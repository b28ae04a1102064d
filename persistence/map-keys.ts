import * as Y from 'yjs'

/** Whether a key in a map of a room is a user's: their id, or `<word> <id>`. Ids may have spaces in them. */
export function isKeyOf(user: string, key: string): boolean {
  return key === user || key.slice(key.indexOf(' ') + 1) === user
}

/**
 * Forgets the keys of a user that were removed from maps of this document: a deleted entry keeps its key for ever otherwise.
 * What is left in their place is what Yjs leaves of things inside of something deleted. A key that is there again stays as it
 * is, since what is there refers to what was before.
 */
export function forgetKeys(doc: Y.Doc, user: string): void {
  const last = new Set<Y.Item>()
  for (const structs of doc.store.clients.values()) {
    for (const struct of structs) {
      if (!(struct instanceof Y.Item) || struct.parentSub === null || !isKeyOf(user, struct.parentSub)) continue
      const { parent, parentSub } = struct
      const item = parent instanceof Y.AbstractType ? parent._map.get(parentSub) : undefined
      if (item?.deleted) last.add(item)
    }
  }
  for (const newest of last) {
    for (let item: Y.Item | null = newest; item !== null; item = item.left) item.gc(doc.store, true)
  }
}
