import type { Editor } from '@tiptap/core'
import { type SubmitEvent, useId, useState } from 'react'
import { hrefFrom } from '../editor/link.ts'
import { Popover } from './Popover.tsx'

interface Props {
  readonly editor: Editor
  onClose(): void
}

/** Sets, changes, opens or removes the link at the selection. */
export function LinkPopover({ editor, onClose }: Props) {
  const before: unknown = editor.getAttributes('link').href
  const href = typeof before === 'string' ? before : ''
  const [text, setText] = useState(href)
  const [wrong, setWrong] = useState(false)
  const errorId = useId()

  const apply = (event: SubmitEvent, close: () => void) => {
    event.preventDefault()
    const target = hrefFrom(text)
    if (target === undefined) {
      setWrong(true)
      return
    }
    close()
    setLink(editor, target, text.trim())
  }
  const remove = (close: () => void) => {
    close()
    editor.chain().focus().extendMarkRange('link').unsetLink().run()
  }

  return (
    <Popover label="Link" anchor={() => selectionRect(editor)} onClose={onClose}>
      {(close) => (
        <form className="link-form" onSubmit={(event) => apply(event, close)} noValidate>
          <input
            className="field"
            type="url"
            inputMode="url"
            aria-label="Address"
            placeholder="https://…"
            autoComplete="off"
            spellCheck={false}
            data-autofocus
            value={text}
            aria-invalid={wrong}
            aria-describedby={wrong ? errorId : undefined}
            onChange={(event) => {
              setText(event.target.value)
              setWrong(false)
            }}
            onFocus={(event) => event.target.select()}
          />
          {wrong && (
            <p className="field-error" id={errorId} role="alert">
              Use a web address or an e-mail address.
            </p>
          )}
          <div className="form-actions">
            {href !== '' && (
              <>
                <a className="button button-quiet" href={href} target="_blank" rel="noopener noreferrer">
                  Open
                </a>
                <button type="button" className="button button-quiet" onClick={() => remove(close)}>
                  Remove
                </button>
              </>
            )}
            <button type="submit" className="button button-primary">
              {href === '' ? 'Add link' : 'Change'}
            </button>
          </div>
        </form>
      )}
    </Popover>
  )
}

function setLink(editor: Editor, href: string, text: string): void {
  const chain = editor.chain().focus()
  if (editor.state.selection.empty && !editor.isActive('link')) {
    chain.insertContent({ type: 'text', text, marks: [{ type: 'link', attrs: { href } }] }).run()
  } else {
    chain.extendMarkRange('link').setLink({ href }).run()
  }
}

function selectionRect(editor: Editor): DOMRect {
  const { from } = editor.state.selection
  const { left, top, bottom } = editor.view.coordsAtPos(from)
  return new DOMRect(left, top, 0, bottom - top)
}
