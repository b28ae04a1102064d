import { Extension, type Extensions } from '@tiptap/core'
import { Collaboration } from '@tiptap/extension-collaboration'
import { CollaborationCaret } from '@tiptap/extension-collaboration-caret'
import { TaskItem, TaskList } from '@tiptap/extension-list'
import { Placeholder } from '@tiptap/extensions'
import { StarterKit } from '@tiptap/starter-kit'
import type { Awareness } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import type { Identity } from '../identity.ts'
import { caretLabels, renderCaret, renderSelection } from './caret.ts'
import { commentMarks } from './comment-marks.ts'
import { isAllowedHref } from './link.ts'

interface Shortcuts {
  /** Mod-K */
  editLink(): void
  /** Mod-Alt-M */
  comment(): void
  /** Alt-F10, as in other editors: from the text to the toolbar. */
  focusToolbar(): void
}

interface Shared {
  readonly ydoc: Y.Doc
  readonly awareness: Awareness
  /** How one's own caret is shown to the others. */
  readonly identity: Identity
}

export function editorExtensions({ ydoc, awareness, identity }: Shared, shortcuts: Shortcuts): Extensions {
  const { id, name, color } = identity
  return [
    StarterKit.configure({
      heading: { levels: [1, 2, 3] },
      undoRedo: false, // Collaboration brings its own, which takes back only one's own edits
      trailingNode: false, // it would write into documents that are only being read, once for each reader
      link: {
        openOnClick: false,
        defaultProtocol: 'https',
        isAllowedUri: isAllowedHref,
        HTMLAttributes: { rel: 'noopener noreferrer nofollow', target: '_blank' },
      },
    }),
    TaskList,
    TaskItem.configure({
      nested: true,
      a11y: { checkboxLabel: (node) => `Done: ${node.firstChild?.textContent || 'empty task'}` },
    }),
    Placeholder.configure({
      placeholder: ({ editor }) => (editor.isEmpty ? 'Write here. The first line becomes the title.' : ''),
    }),
    Collaboration.configure({ document: ydoc, field: 'default' }),
    CollaborationCaret.configure({
      provider: { awareness },
      user: { id, name, color },
      render: renderCaret,
      selectionRender: renderSelection,
    }),
    caretLabels(awareness),
    commentMarks,
    keys(shortcuts),
  ]
}

function keys({ editLink, comment, focusToolbar }: Shortcuts): Extension {
  const handled = (action: () => void) => () => {
    action()
    return true
  }
  return Extension.create({
    name: 'demoKeys',
    addKeyboardShortcuts: () => ({
      'Mod-k': handled(editLink),
      'Mod-Alt-m': handled(comment),
      'Alt-F10': handled(focusToolbar),
    }),
  })
}
