import type { Editor } from '@tiptap/core'
import { EditorContent, useEditor } from '@tiptap/react'
import { useEffect, useRef } from 'react'
import type { Awareness } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import { editorExtensions } from '../editor/extensions.ts'
import type { Identity } from '../identity.ts'
import { rememberTitle } from '../titles.ts'

interface Props {
  readonly name: string
  readonly ydoc: Y.Doc
  readonly awareness: Awareness
  readonly identity: Identity
  readonly editable: boolean
  readonly autoFocus: boolean
  onEditor(editor: Editor | null): void
  onLink(): void
  onComment(): void
  onToolbar(): void
}

/** The text itself; rendered only once there is a true text to show, and made anew for another Y.Doc. */
export function EditorPane({ name, ydoc, awareness, identity, editable, autoFocus, onEditor, ...shortcuts }: Props) {
  const actions = useRef(shortcuts)
  actions.current = shortcuts
  const editor = useEditor(
    {
      extensions: editorExtensions(
        { ydoc, awareness, identity },
        {
          editLink: () => actions.current.onLink(),
          comment: () => actions.current.onComment(),
          focusToolbar: () => actions.current.onToolbar(),
        },
      ),
      editable,
      autofocus: autoFocus ? 'end' : false,
      injectCSS: false, // styles/prosemirror.css has it, so that a page without inline styles may be demanded
      shouldRerenderOnTransaction: false,
      editorProps: {
        attributes: {
          id: 'editor',
          class: 'prose',
          role: 'textbox',
          'aria-multiline': 'true',
          'aria-label': 'Document text',
          'aria-keyshortcuts': 'Alt+F10',
        },
      },
      onCreate: ({ editor }) => rememberTitle(name, firstLine(editor)),
      onUpdate: ({ editor }) => rememberTitle(name, firstLine(editor)),
    },
    [ydoc],
  )

  useEffect(() => {
    editor.setEditable(editable, false)
  }, [editor, editable])

  useEffect(() => {
    onEditor(editor)
    return () => onEditor(null)
  }, [editor, onEditor])

  return <EditorContent editor={editor} className="page" />
}

/** The first line with something on it. */
function firstLine(editor: Editor): string {
  let line = ''
  editor.state.doc.descendants((node) => {
    if (line === '' && node.isTextblock) line = node.textContent.trim()
    return line === ''
  })
  return line
}
