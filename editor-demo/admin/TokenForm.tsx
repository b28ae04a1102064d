import { type FormEvent, useId, useState } from 'react'

interface Props {
  /** Why the last one does not count. */
  readonly problem: string
  onToken(token: string): void
}

export function TokenForm({ problem, onToken }: Props) {
  const [token, setToken] = useState('')
  const id = useId()
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (token.trim() !== '') onToken(token.trim())
  }
  return (
    <main className="admin-token">
      <h1>Coweave for admins</h1>
      <form onSubmit={submit}>
        <label htmlFor={id}>Admin token</label>
        <input
          id={id}
          className="field"
          type="password"
          autoComplete="off"
          value={token}
          aria-invalid={problem !== ''}
          aria-describedby={`${id}-about`}
          onChange={(event) => setToken(event.target.value)}
        />
        {problem !== '' && (
          <p className="field-error" role="alert">
            {problem}
          </p>
        )}
        <p id={`${id}-about`} className="admin-soft">
          <code>npx coweave token root --admin</code> makes one, with the server’s <code>JWT_SECRET</code>, or in demo
          mode its <code>DEMO_SECRET</code>. This tab keeps it until it is closed.
        </p>
        <div className="form-actions">
          <button type="submit" className="button button-primary">
            Open
          </button>
        </div>
      </form>
    </main>
  )
}
