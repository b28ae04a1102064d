import { type Editor, Extension } from '@tiptap/core'
import { type EditorState, Plugin, PluginKey } from '@tiptap/pm/state'
import { Decoration, DecorationSet } from '@tiptap/pm/view'
import { ySyncPluginKey } from '@tiptap/y-tiptap'
import { type Comment, placeOf } from './comment-places.ts'

interface Marks {
  readonly comments: readonly Comment[]
  readonly active: string | undefined
  readonly decorations: DecorationSet
}

const key = new PluginKey<Marks>('comments')

/** Underlines the text that comments are about, and brings out the one that is looked at. */
export const commentMarks = Extension.create({
  name: 'commentMarks',
  addProseMirrorPlugins: () => [
    new Plugin<Marks>({
      key,
      state: {
        init: () => ({ comments: [], active: undefined, decorations: DecorationSet.empty }),
        apply: (transaction, marks, _before, state) => {
          const change: Partial<Marks> | undefined = transaction.getMeta(key)
          // A change from the document's Yjs side replaces more than it changes: positions are looked up again.
          if (change !== undefined || transaction.getMeta(ySyncPluginKey) !== undefined) {
            return withDecorations({ ...marks, ...change }, state)
          }
          if (!transaction.docChanged) return marks
          // One's own: Yjs learns of it only after this.
          return { ...marks, decorations: marks.decorations.map(transaction.mapping, transaction.doc) }
        },
      },
      props: { decorations: (state) => key.getState(state)?.decorations },
    }),
  ],
})

export function showComments(editor: Editor, comments: readonly Comment[]): void {
  editor.view.dispatch(editor.state.tr.setMeta(key, { comments }))
}

/** Brings out one comment's text, or with undefined none. */
export function highlightComment(editor: Editor, id: string | undefined): void {
  if (key.getState(editor.state)?.active !== id) editor.view.dispatch(editor.state.tr.setMeta(key, { active: id }))
}

function withDecorations(marks: Marks, state: EditorState): Marks {
  const decorations = marks.comments.flatMap((comment) => {
    const range = placeOf(state, comment)
    if (range === undefined) return []
    const isActive = comment.id === marks.active
    return [
      Decoration.inline(range.from, range.to, { class: isActive ? 'comment-mark comment-active' : 'comment-mark' }),
    ]
  })
  return { ...marks, decorations: DecorationSet.create(state.doc, decorations) }
}
