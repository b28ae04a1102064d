import { type FormEvent, useState } from 'react'
import type { AdminClient, OpenDocument } from './api.ts'
import { documentHash } from './route.ts'
import { useAsked } from './use-asked.ts'
import { bytesText, count } from './words.ts'

const POLL_MS = 2_000
const PAGE = 50

interface Page {
  readonly documents: readonly OpenDocument[]
  readonly next?: string
}

/** The documents that are open on this instance, a page at a time, and who is in them. */
export function OpenDocuments({ client }: { readonly client: AdminClient }) {
  const [after, setAfter] = useState('')
  const path = `/api/admin/documents?limit=${PAGE}&after=${encodeURIComponent(after)}`
  const { answer } = useAsked<Page>(client, path, POLL_MS)
  const { documents = [], next } = answer ?? {}
  return (
    <section aria-labelledby="open">
      <h2 id="open">Open documents</h2>
      {answer !== undefined && documents.length === 0 && <p className="admin-soft">No document is open.</p>}
      <ul className="documents">
        {documents.map(({ name, connections, users, elsewhere, bytes, position }) => (
          <li key={name}>
            <a href={documentHash(name)}>{name}</a>
            <span className="admin-soft">
              {count(connections, 'connection')}, {bytesText(bytes)}, position {position}
            </span>
            <span>
              {users.map(({ user }) => user).join(', ')}
              {elsewhere.length > 0 && <span className="admin-soft"> elsewhere: {elsewhere.join(', ')}</span>}
            </span>
          </li>
        ))}
      </ul>
      <div className="admin-pages">
        {after !== '' && (
          <button type="button" className="button" onClick={() => setAfter('')}>
            First documents
          </button>
        )}
        {next !== undefined && (
          <button type="button" className="button" onClick={() => setAfter(next)}>
            Next documents
          </button>
        )}
      </div>
      <NameForm />
    </section>
  )
}

/** The way to a document that is not open. */
function NameForm() {
  const [name, setName] = useState('')
  const go = (event: FormEvent) => {
    event.preventDefault()
    if (name !== '') location.hash = documentHash(name)
  }
  return (
    <form className="admin-form" onSubmit={go}>
      <label>
        Any document, by its name
        <input className="field" value={name} onChange={(event) => setName(event.target.value)} />
      </label>
      <button type="submit" className="button">
        Show
      </button>
    </form>
  )
}
