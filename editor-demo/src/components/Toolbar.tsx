import type { Editor } from '@tiptap/core'
import { useEditorState } from '@tiptap/react'
import { type KeyboardEvent, type Ref, useState } from 'react'
import type { Command } from '../editor/commands.ts'
import { ariaShortcut, shownShortcut } from '../editor/shortcut.ts'
import { Icon } from './Icon.tsx'

interface Props {
  readonly editor: Editor
  readonly groups: readonly (readonly Command[])[]
  readonly ref: Ref<HTMLDivElement>
}

interface ButtonState {
  readonly active: boolean
  readonly possible: boolean
}

const IDLE: ButtonState = { active: false, possible: false }

/** An ARIA toolbar: one stop for Tab, arrow keys inside, Escape back to the text. */
export function Toolbar({ editor, groups, ref }: Props) {
  const commands = groups.flat()
  const [current, setCurrent] = useState(commands[0]?.id)
  const states = useEditorState({
    editor,
    selector: ({ editor }) => Object.fromEntries(commands.map((command) => [command.id, stateOf(command, editor)])),
  })

  const move = (event: KeyboardEvent<HTMLDivElement>) => {
    if (event.key === 'Escape') {
      editor.view.focus() // at once, where Tiptap's command waits for the next frame, and the next key is lost
      return
    }
    const buttons = [...event.currentTarget.querySelectorAll('button')]
    const index = buttons.indexOf(event.target as HTMLButtonElement)
    const next = nextIndex(event.key, index, buttons.length)
    if (next === undefined) return
    event.preventDefault()
    buttons[next]?.focus()
  }

  return (
    <div
      ref={ref}
      className="toolbar"
      role="toolbar"
      aria-label="Formatting"
      aria-controls="editor"
      onKeyDown={move}
      // The text keeps its focus and selection while a button is clicked.
      onMouseDown={(event) => event.preventDefault()}
    >
      {groups.map((group) => (
        // biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms; this only parts buttons
        <div className="toolbar-group" role="group" key={group[0]?.id}>
          {group.map((command) => {
            const { active, possible } = states[command.id] ?? IDLE
            return (
              <button
                key={command.id}
                type="button"
                className="tool"
                data-command={command.id}
                data-tooltip={`${command.label}  ${shownShortcut(command.shortcut)}`}
                aria-label={command.label}
                aria-keyshortcuts={ariaShortcut(command.shortcut)}
                aria-disabled={!possible}
                {...(command.isActive === undefined ? {} : { 'aria-pressed': active })}
                tabIndex={command.id === current ? 0 : -1}
                onFocus={() => setCurrent(command.id)}
                onClick={(event) => {
                  if (!possible) return
                  // A click leads back to the text; a key press stays in the toolbar.
                  if (event.detail > 0) editor.view.focus()
                  command.run(editor)
                }}
              >
                <Icon name={command.icon} />
              </button>
            )
          })}
        </div>
      ))}
    </div>
  )
}

function stateOf(command: Command, editor: Editor): ButtonState {
  return {
    active: command.isActive?.(editor) ?? false,
    possible: (editor.isEditable || command.keepsText === true) && command.isPossible(editor),
  }
}

function nextIndex(key: string, index: number, count: number): number | undefined {
  if (key === 'ArrowRight') return (index + 1) % count
  if (key === 'ArrowLeft') return (index - 1 + count) % count
  if (key === 'Home') return 0
  if (key === 'End') return count - 1
  return undefined
}
