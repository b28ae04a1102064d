import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './App.tsx'
import { Chats } from './chat/chats.ts'
import { Collaboration } from './collaboration/collaboration.ts'
import { Router } from './route.ts'
import { Session } from './session.ts'
import { followTheme } from './theme.ts'

followTheme()
const session = new Session() // first: it takes the token out of the address
const router = new Router()
const collaboration = new Collaboration(session)
const chats = new Chats(session, collaboration)

// A token pasted into the address of an open page: start again as whoever it belongs to.
addEventListener('hashchange', () => {
  if (location.hash.startsWith('#token=')) location.reload()
})

const root = document.getElementById('root')
if (root === null) throw new Error('index.html has no #root')
createRoot(root).render(
  <StrictMode>
    <App session={session} collaboration={collaboration} chats={chats} router={router} />
  </StrictMode>,
)
