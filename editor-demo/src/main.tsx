import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { connect } from '../../client/index.ts'
import { CoweaveProvider } from '../../client/react/index.ts'
import { App } from './App.tsx'
import { Account } from './account.ts'
import { Router } from './route.ts'
import { followTheme } from './theme.ts'

followTheme()
const account = new Account() // first: it takes the token out of the address
const router = new Router(account.identity.id)
const session = connect({ url: location.origin, user: account.identity.id, token: () => account.token() })

// A token pasted into the address of an open page: start again as whoever it belongs to.
addEventListener('hashchange', () => {
  if (location.hash.startsWith('#token=')) location.reload()
})

// Without it a page opens only with a network. Browsers offer it to secure pages only.
if (import.meta.env.PROD && 'serviceWorker' in navigator) {
  navigator.serviceWorker.register('/service-worker.js').catch((error: unknown) => console.warn(error))
}

const root = document.getElementById('root')
if (root === null) throw new Error('index.html has no #root')
createRoot(root).render(
  <StrictMode>
    <CoweaveProvider session={session}>
      <App account={account} router={router} />
    </CoweaveProvider>
  </StrictMode>,
)
