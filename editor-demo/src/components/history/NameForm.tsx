import { type SubmitEvent, useEffect, useId, useRef, useState } from 'react'
import { problemOf } from '../../history/problems.ts'

const MAX_LENGTH = 100

interface Props {
  readonly label: string
  readonly initial: string
  onSave(name: string): Promise<void>
  onCancel(): void
}

/** Asks for the name of a version. */
export function NameForm({ label, initial, onSave, onCancel }: Props) {
  const [name, setName] = useState(initial)
  const [problem, setProblem] = useState('')
  const [busy, setBusy] = useState(false)
  const field = useRef<HTMLInputElement>(null)
  const id = useId()
  useEffect(() => field.current?.select(), [])

  const save = async (event: SubmitEvent) => {
    event.preventDefault()
    if (name.trim() === '') return setProblem('Type a name.')
    setBusy(true)
    try {
      await onSave(name.trim())
    } catch (error) {
      setProblem(problemOf(error))
      setBusy(false)
    }
  }
  return (
    <form
      className="history-form"
      noValidate
      onSubmit={save}
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return
        event.preventDefault() // a sheet around it stays open
        onCancel()
      }}
    >
      <input
        ref={field}
        className="field"
        aria-label={label}
        aria-invalid={problem !== ''}
        aria-describedby={problem === '' ? undefined : id}
        placeholder="Name"
        maxLength={MAX_LENGTH}
        value={name}
        onChange={(event) => {
          setName(event.target.value)
          setProblem('')
        }}
      />
      {problem !== '' && (
        <p className="field-error" id={id} role="alert">
          {problem}
        </p>
      )}
      <div className="form-actions">
        <button type="button" className="button button-quiet" onClick={onCancel}>
          Cancel
        </button>
        <button type="submit" className="button button-primary" disabled={busy}>
          Save
        </button>
      </div>
    </form>
  )
}
