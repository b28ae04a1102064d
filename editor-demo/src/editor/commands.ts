import type { Editor } from '@tiptap/core'
import type { IconName } from '../components/Icon.tsx'

/** One button of the toolbar. */
export interface Command {
  readonly id: string
  readonly label: string
  readonly icon: IconName
  readonly shortcut: string
  run(editor: Editor): void
  isPossible(editor: Editor): boolean
  /** It leaves the text alone, so that those who may only read it can use it too. */
  readonly keepsText?: true
  /** For buttons that show a state; the others only act. */
  isActive?(editor: Editor): boolean
}

const heading = (level: 1 | 2 | 3): Command => ({
  id: `heading-${level}`,
  label: `Heading ${level}`,
  icon: `heading-${level}`,
  shortcut: `Mod-Alt-${level}`,
  run: (editor) => editor.commands.toggleHeading({ level }),
  isPossible: (editor) => editor.can().toggleHeading({ level }),
  isActive: (editor) => editor.isActive('heading', { level }),
})

const blocks: readonly Command[] = [
  {
    id: 'paragraph',
    label: 'Text',
    icon: 'paragraph',
    shortcut: 'Mod-Alt-0',
    run: (editor) => editor.commands.setParagraph(),
    // It can't be done twice, but a button that is pressed must not look as if it were switched off.
    isPossible: (editor) => editor.isActive('paragraph') || editor.can().setParagraph(),
    isActive: (editor) => editor.isActive('paragraph'),
  },
  heading(1),
  heading(2),
  heading(3),
]

const marks: readonly Command[] = [
  {
    id: 'bold',
    label: 'Bold',
    icon: 'bold',
    shortcut: 'Mod-b',
    run: (editor) => editor.commands.toggleBold(),
    isPossible: (editor) => editor.can().toggleBold(),
    isActive: (editor) => editor.isActive('bold'),
  },
  {
    id: 'italic',
    label: 'Italic',
    icon: 'italic',
    shortcut: 'Mod-i',
    run: (editor) => editor.commands.toggleItalic(),
    isPossible: (editor) => editor.can().toggleItalic(),
    isActive: (editor) => editor.isActive('italic'),
  },
  {
    id: 'strike',
    label: 'Strikethrough',
    icon: 'strike',
    shortcut: 'Mod-Shift-s',
    run: (editor) => editor.commands.toggleStrike(),
    isPossible: (editor) => editor.can().toggleStrike(),
    isActive: (editor) => editor.isActive('strike'),
  },
  {
    id: 'code',
    label: 'Code',
    icon: 'code',
    shortcut: 'Mod-e',
    run: (editor) => editor.commands.toggleCode(),
    isPossible: (editor) => editor.can().toggleCode(),
    isActive: (editor) => editor.isActive('code'),
  },
]

const structures: readonly Command[] = [
  {
    id: 'bullet-list',
    label: 'Bullet list',
    icon: 'bullet-list',
    shortcut: 'Mod-Shift-8',
    run: (editor) => editor.commands.toggleBulletList(),
    isPossible: (editor) => editor.can().toggleBulletList(),
    isActive: (editor) => editor.isActive('bulletList'),
  },
  {
    id: 'ordered-list',
    label: 'Numbered list',
    icon: 'ordered-list',
    shortcut: 'Mod-Shift-7',
    run: (editor) => editor.commands.toggleOrderedList(),
    isPossible: (editor) => editor.can().toggleOrderedList(),
    isActive: (editor) => editor.isActive('orderedList'),
  },
  {
    id: 'task-list',
    label: 'Task list',
    icon: 'task-list',
    shortcut: 'Mod-Shift-9',
    run: (editor) => editor.commands.toggleTaskList(),
    isPossible: (editor) => editor.can().toggleTaskList(),
    isActive: (editor) => editor.isActive('taskList'),
  },
  {
    id: 'quote',
    label: 'Quote',
    icon: 'quote',
    shortcut: 'Mod-Shift-b',
    run: (editor) => editor.commands.toggleBlockquote(),
    isPossible: (editor) => editor.can().toggleBlockquote(),
    isActive: (editor) => editor.isActive('blockquote'),
  },
  {
    id: 'code-block',
    label: 'Code block',
    icon: 'code-block',
    shortcut: 'Mod-Alt-c',
    run: (editor) => editor.commands.toggleCodeBlock(),
    isPossible: (editor) => editor.can().toggleCodeBlock(),
    isActive: (editor) => editor.isActive('codeBlock'),
  },
]

const history: readonly Command[] = [
  {
    id: 'undo',
    label: 'Undo',
    icon: 'undo',
    shortcut: 'Mod-z',
    run: (editor) => editor.commands.undo(),
    isPossible: (editor) => editor.can().undo(),
  },
  {
    id: 'redo',
    label: 'Redo',
    icon: 'redo',
    shortcut: 'Mod-Shift-z',
    run: (editor) => editor.commands.redo(),
    isPossible: (editor) => editor.can().redo(),
  },
]

/** The link button; what it does is open the popover. */
export function linkCommand(open: () => void): Command {
  return {
    id: 'link',
    label: 'Link',
    icon: 'link',
    shortcut: 'Mod-k',
    run: open,
    isPossible: (editor) => editor.isActive('link') || editor.can().setLink({ href: 'https://example.org' }),
    isActive: (editor) => editor.isActive('link'),
  }
}

/** The comment button; what it does is begin a message about the selected text. */
function commentCommand(begin: () => void): Command {
  return {
    id: 'comment',
    label: 'Comment',
    icon: 'comment',
    shortcut: 'Mod-Alt-m',
    run: begin,
    isPossible: (editor) => !editor.state.selection.empty,
    keepsText: true,
  }
}

/** The toolbar's buttons, in groups; without `comment` where there is no chat. */
export function commandGroups(openLink: () => void, comment?: () => void): readonly (readonly Command[])[] {
  const aboutText = comment === undefined ? [] : [commentCommand(comment)]
  return [history, blocks, [...marks, linkCommand(openLink), ...aboutText], structures]
}
