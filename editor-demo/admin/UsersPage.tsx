import { useId, useState } from 'react'
import { Action } from './Action.tsx'
import type { AdminClient, Restriction } from './api.ts'
import { UserActions } from './UserActions.tsx'
import { useAsked } from './use-asked.ts'
import { timeText } from './words.ts'

const POLL_MS = 5_000

/** Whom admins keep from what, and any user by their id. */
export function UsersPage({ client }: { readonly client: AdminClient }) {
  const path = '/api/admin/restrictions'
  const { answer, again } = useAsked<{ restrictions: readonly Restriction[] }>(client, path, POLL_MS)
  const [user, setUser] = useState('')
  const [document, setDocument] = useState('')
  const [done, setDone] = useState('')
  const id = useId()
  const finish = (words: string) => {
    setDone(words)
    again()
  }
  const restrictions = answer?.restrictions ?? []
  return (
    <>
      <section aria-labelledby={`${id}-user`}>
        <h2 id={`${id}-user`}>A user</h2>
        <div className="admin-form">
          <label>
            User id
            <input className="field" value={user} onChange={(event) => setUser(event.target.value)} />
          </label>
          <label>
            Document, or nothing for all
            <input className="field" value={document} onChange={(event) => setDocument(event.target.value)} />
          </label>
          {user !== '' && <UserActions client={client} user={user} document={document} onDone={finish} />}
        </div>
        <p role="status">{done}</p>
      </section>
      <section aria-labelledby={`${id}-standing`}>
        <h2 id={`${id}-standing`}>Muted users, and revoked tokens</h2>
        {answer !== undefined && restrictions.length === 0 && <p className="admin-soft">There are none.</p>}
        <ul className="documents">
          {restrictions.map((restriction) => (
            <li key={`${restriction.kind} ${restriction.user} ${restriction.document}`}>
              <strong>{restriction.user}</strong>
              <span>{wordsOf(restriction)}</span>
              <EndButton client={client} restriction={restriction} onDone={finish} />
            </li>
          ))}
        </ul>
      </section>
    </>
  )
}

interface EndProps {
  readonly client: AdminClient
  readonly restriction: Restriction
  onDone(words: string): void
}

function EndButton({ client, restriction, onDone }: EndProps) {
  const { kind, user, document } = restriction
  const target = { user, ...(document === '' ? {} : { document }) }
  const end = async () => {
    if (kind === 'mute') await client.send('POST', '/api/admin/mute', { ...target, minutes: 0 })
    else await client.send('POST', '/api/admin/reinstate', { user })
    onDone(kind === 'mute' ? `${user} may write again.` : `The tokens of ${user} count again.`)
  }
  return (
    <Action
      label={kind === 'mute' ? 'Let write' : 'Reinstate'}
      name={kind === 'mute' ? `Let ${user} write` : `Reinstate ${user}`}
      title={kind === 'mute' ? `Let ${user} write again?` : `Let the tokens of ${user} count again?`}
      onConfirm={end}
    >
      {kind === 'mute'
        ? `${user} may write ${document === '' ? 'in all documents' : `in ${document}`} as before.`
        : `Tokens that ${user} got before ${timeText(restriction.at)} are good again, until they end.`}
    </Action>
  )
}

function wordsOf({ kind, document, at, until, by }: Restriction): string {
  if (kind === 'revocation') return `tokens of before ${timeText(at)} are refused (${by})`
  const place = document === '' ? 'all documents' : document
  return `may only read ${place} until ${timeText(until ?? at)} (${by})`
}
