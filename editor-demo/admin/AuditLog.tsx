import { useState } from 'react'
import type { AdminAction, AdminClient } from './api.ts'
import { documentHash } from './route.ts'
import { useAsked } from './use-asked.ts'
import { timeText } from './words.ts'

const PAGE = 50

interface Page {
  readonly actions: readonly AdminAction[]
  readonly next?: number
}

/** What admins did, newest first, a page at a time. */
export function AuditLog({ client }: { readonly client: AdminClient }) {
  const [before, setBefore] = useState<number>()
  const path = `/api/admin/audit?limit=${PAGE}${before === undefined ? '' : `&before=${before}`}`
  const { answer, problem } = useAsked<Page>(client, path, 0)
  const { actions = [], next } = answer ?? {}
  return (
    <section aria-labelledby="audit">
      <h2 id="audit">What admins did</h2>
      {problem !== '' && (
        <p className="field-error" role="alert">
          {problem}
        </p>
      )}
      {answer !== undefined && actions.length === 0 && <p className="admin-soft">Nothing yet.</p>}
      <ol className="audit">
        {actions.map(({ number, at, admin, action, user, document, detail, outcome }) => (
          <li key={number}>
            <time dateTime={new Date(at).toISOString()}>{timeText(at)}</time>
            <span>
              <strong>{admin}</strong> {action} {user} {detail !== '' && `(${detail})`}{' '}
              {document !== '' && <a href={documentHash(document)}>{document}</a>}
            </span>
            <span className={outcome === 'done' ? 'admin-soft' : 'admin-bad'}>{outcome ?? 'not known'}</span>
          </li>
        ))}
      </ol>
      <div className="admin-pages">
        {before !== undefined && (
          <button type="button" className="button" onClick={() => setBefore(undefined)}>
            Newest
          </button>
        )}
        {next !== undefined && (
          <button type="button" className="button" onClick={() => setBefore(next)}>
            Older
          </button>
        )}
      </div>
    </section>
  )
}
