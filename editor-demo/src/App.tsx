import type { Chats } from './chat/chats.ts'
import type { Collaboration } from './collaboration/collaboration.ts'
import { TokenMissing } from './components/TokenMissing.tsx'
import { Tooltips } from './components/Tooltips.tsx'
import { Workspace } from './components/Workspace.tsx'
import { useStore } from './hooks/use-store.ts'
import type { Router } from './route.ts'
import type { Session } from './session.ts'

interface Props {
  readonly session: Session
  readonly collaboration: Collaboration
  readonly chats: Chats
  readonly router: Router
}

export function App({ session, collaboration, chats, router }: Props) {
  const { tokenMissing } = useStore(session.view)
  if (tokenMissing) return <TokenMissing />
  return (
    <>
      <Workspace session={session} collaboration={collaboration} chats={chats} router={router} />
      <Tooltips />
    </>
  )
}
