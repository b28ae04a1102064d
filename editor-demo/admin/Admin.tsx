import { useMemo, useState } from 'react'
import { recall, remember } from '../src/browser-storage.ts'
import { AuditLog } from './AuditLog.tsx'
import { AdminClient } from './api.ts'
import { DocumentPage } from './DocumentPage.tsx'
import { OverviewPage } from './OverviewPage.tsx'
import { type Route, useRoute } from './route.ts'
import { TokenForm } from './TokenForm.tsx'
import { UsersPage } from './UsersPage.tsx'

/** Of sessionStorage, so that the token ends with the tab. */
const KEY = 'coweave:admin-token'

const tabs = [
  { page: 'overview', hash: '#/', label: 'Overview' },
  { page: 'users', hash: '#/users', label: 'Users' },
  { page: 'audit', hash: '#/audit', label: 'Audit log' },
] as const

export function Admin() {
  const [token, setToken] = useState(() => recall('session', KEY) ?? '')
  const [problem, setProblem] = useState('')
  const route = useRoute()
  const choose = (next: string, why = '') => {
    remember('session', KEY, next)
    setToken(next)
    setProblem(why)
  }
  const client = useMemo(() => new AdminClient(token, (why) => choose('', why)), [token])
  if (token === '') return <TokenForm problem={problem} onToken={(next) => choose(next)} />
  return (
    <>
      <header className="admin-bar">
        <h1>Coweave</h1>
        <nav aria-label="Pages">
          {tabs.map(({ page, hash, label }) => (
            <a key={page} href={hash} aria-current={isCurrent(page, route) ? 'page' : undefined}>
              {label}
            </a>
          ))}
        </nav>
        <button type="button" className="button button-quiet" onClick={() => choose('')}>
          Forget the token
        </button>
      </header>
      <main className="admin-main">
        {route.page === 'overview' && <OverviewPage client={client} />}
        {route.page === 'users' && <UsersPage client={client} />}
        {route.page === 'audit' && <AuditLog client={client} />}
        {route.page === 'document' && <DocumentPage key={route.name} client={client} name={route.name} />}
      </main>
    </>
  )
}

function isCurrent(page: string, route: Route): boolean {
  return route.page === page || (page === 'overview' && route.page === 'document')
}
