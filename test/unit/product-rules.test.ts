import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { checkUpdate } from '../../server/documents/check-update.ts'
import { type Author, Guard } from '../../server/documents/guard.ts'
import { ProductRules } from '../../server/documents/product-rules.ts'

const principal = { user: 'ann', name: 'Ann', grants: [], expires: undefined, admin: false, relay: false, agent: false }
const ann: Author = { principal, level: 'write' }

/** What a product that allows everything in a list is asked about an update, as paths. @throws {RefusedError} */
function asked(edit: (list: Y.Array<unknown>) => void): string[] {
  const paths: string[] = []
  const check = ({ path }: { readonly path: readonly string[] }) => void paths.push(path.join('/'))
  const rules = new ProductRules({ roots: { list: 'array' }, check }, (error) => expect.unreachable(String(error)))
  const ydoc = new Y.Doc()
  ydoc.transact(() => edit(ydoc.getArray('list')))
  const update = Y.encodeStateAsUpdate(ydoc)
  new Guard(new Y.Doc(), rules).admit(update, checkUpdate(update), ann)
  return paths
}

/** So many lists inside each other. */
const nested = (count: number) => (list: Y.Array<unknown>) => {
  let inner = list
  for (let depth = 0; depth < count; depth += 1) {
    const next = new Y.Array<unknown>()
    inner.push([next])
    inner = next
  }
}

test('however much an update does, a product is asked about all of it', () => {
  const many = Array.from({ length: 130_000 }, (_, index) => index)
  expect(asked((list) => list.push(many))).toHaveLength(many.length)
  const oneByOne = (list: Y.Array<unknown>) => {
    for (const each of many) list.insert(0, [each])
  }
  expect(asked(oneByOne)).toHaveLength(many.length)
})

test('types that stand too deep inside each other are refused, not walked through', () => {
  expect(asked(nested(100)).at(-1)).toBe(`list${'/*'.repeat(100)}`)
  expect(() => asked(nested(300))).toThrow(expect.objectContaining({ code: 'rules/hidden' }))
})
