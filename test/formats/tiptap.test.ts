import { getSchema } from '@tiptap/core'
import { Highlight } from '@tiptap/extension-highlight'
import { Image } from '@tiptap/extension-image'
import { TaskItem, TaskList } from '@tiptap/extension-list'
import { TableKit } from '@tiptap/extension-table'
import { StarterKit } from '@tiptap/starter-kit'
import { prosemirrorToYXmlFragment, yXmlFragmentToProseMirrorRootNode } from '@tiptap/y-tiptap'
import type { Schema } from 'prosemirror-model'
import { describe, expect, test } from 'vitest'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { editorExtensions } from '../../editor-demo/src/editor/extensions.ts'
import { changeContent, readContent } from '../../server/formats/formats.ts'
import { richSchema } from '../../server/formats/schema.ts'
import { toYjsJson } from '../../server/formats/yjs-json.ts'
import { everything } from './sample.ts'

const tiptap = getSchema([StarterKit, TaskList, TaskItem.configure({ nested: true }), TableKit, Image, Highlight])

function demoSchema(): Schema {
  const ydoc = new Y.Doc()
  const identity = { id: 'ann', name: 'Ann', color: '#000000' }
  const nothing = () => {}
  const shortcuts = { editLink: nothing, comment: nothing, focusToolbar: nothing }
  return getSchema(editorExtensions({ ydoc, awareness: new Awareness(ydoc), identity }, shortcuts))
}

/** What of a schema decides which documents are right, and how they are stored. */
function rulesOf(schema: Schema) {
  const defaults = (attrs: Readonly<Record<string, { default?: unknown }>> | null | undefined) =>
    Object.fromEntries(Object.entries(attrs ?? {}).map(([name, spec]) => [name, spec.default]))
  const nodes = Object.entries(schema.nodes).map(([name, { spec }]) => {
    const { content = '', group = '', marks } = spec
    return [name, { content, group, marks, attrs: defaults(spec.attrs) }] as const
  })
  const marks = Object.entries(schema.marks).map(([name, { spec }]) => {
    return [name, { excludes: spec.excludes, attrs: defaults(spec.attrs) }] as const
  })
  return { nodes: Object.fromEntries(nodes), marks: Object.fromEntries(marks) }
}

describe('the schema', () => {
  test('is that of Tiptap’s extensions, with marks in their order', () => {
    expect(rulesOf(richSchema)).toEqual(rulesOf(tiptap))
    expect(Object.keys(richSchema.marks)).toEqual(Object.keys(tiptap.marks))
  })

  test('has all that the demo’s has', () => {
    const { nodes, marks } = rulesOf(richSchema)
    const demo = rulesOf(demoSchema())
    expect(Object.keys(demo.nodes)).toContain('taskItem')
    expect(nodes).toMatchObject(demo.nodes)
    expect(marks).toMatchObject(demo.marks)
  })
})

describe('a document', () => {
  test('that the server writes is what Tiptap’s binding writes', () => {
    const [ours, theirs] = [new Y.Doc(), new Y.Doc()]
    changeContent(ours, 'default', 'json', { content: everything })
    prosemirrorToYXmlFragment(tiptap.nodeFromJSON(everything), theirs.getXmlFragment('default'))
    expect(toYjsJson(ours)).toEqual(toYjsJson(theirs))
  })

  test('is read as Tiptap’s binding reads it', () => {
    const ydoc = new Y.Doc()
    const fragment = ydoc.getXmlFragment('default')
    prosemirrorToYXmlFragment(tiptap.nodeFromJSON(everything), fragment)
    const read = tiptap.nodeFromJSON(readContent(ydoc, 'default', 'json'))
    expect(read.toJSON()).toEqual(yXmlFragmentToProseMirrorRootNode(fragment, tiptap).toJSON())
    expect(read.eq(tiptap.nodeFromJSON(everything))).toBe(true)
  })
})
