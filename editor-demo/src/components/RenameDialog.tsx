import { type SubmitEvent, useEffect, useId, useRef, useState } from 'react'
import { TokenRefusedError } from '../../../client/index.ts'
import { useSession } from '../../../client/react/index.ts'
import type { Account } from '../account.ts'
import { MAX_NAME_LENGTH } from '../identity.ts'

interface Props {
  readonly account: Account
  onClose(): void
}

/** Changes one's name for everybody; rendered only while it is open. */
export function RenameDialog({ account, onClose }: Props) {
  const session = useSession()
  const dialog = useRef<HTMLDialogElement>(null)
  const [name, setName] = useState(account.identity.name)
  const [problem, setProblem] = useState('')
  const [busy, setBusy] = useState(false)
  const id = useId()

  useEffect(() => dialog.current?.showModal(), [])

  const save = async (event: SubmitEvent) => {
    event.preventDefault()
    const wanted = name.trim()
    if (wanted === '') {
      setProblem('Type a name.')
      return
    }
    setBusy(true)
    try {
      await account.rename(wanted)
      session?.renewToken()
      dialog.current?.close()
    } catch (error) {
      const isRefused = error instanceof TokenRefusedError
      setProblem(isRefused ? 'The server did not accept this name.' : 'The server can’t be reached. Try again later.')
      setBusy(false)
    }
  }

  return (
    <dialog ref={dialog} className="dialog" aria-labelledby={`${id}-title`} onClose={onClose}>
      <form onSubmit={save} noValidate>
        <h2 id={`${id}-title`}>Your name</h2>
        <p id={`${id}-hint`}>The others see it beside your caret.</p>
        <input
          className="field"
          aria-labelledby={`${id}-title`}
          aria-describedby={problem === '' ? `${id}-hint` : `${id}-problem`}
          aria-invalid={problem !== ''}
          maxLength={MAX_NAME_LENGTH}
          autoComplete="nickname"
          value={name}
          onChange={(event) => {
            setName(event.target.value)
            setProblem('')
          }}
          onFocus={(event) => event.target.select()}
        />
        {problem !== '' && (
          <p className="field-error" id={`${id}-problem`} role="alert">
            {problem}
          </p>
        )}
        <div className="form-actions">
          <button type="button" className="button button-quiet" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" className="button button-primary" disabled={busy}>
            Save
          </button>
        </div>
      </form>
    </dialog>
  )
}
