import type { Account } from './account.ts'
import { TokenMissing } from './components/TokenMissing.tsx'
import { Tooltips } from './components/Tooltips.tsx'
import { Workspace } from './components/Workspace.tsx'
import { useStore } from './hooks/use-store.ts'
import type { Router } from './route.ts'

interface Props {
  readonly account: Account
  readonly router: Router
}

export function App({ account, router }: Props) {
  const { tokenMissing } = useStore(account.view)
  if (tokenMissing) return <TokenMissing />
  return (
    <>
      <Workspace account={account} router={router} />
      <Tooltips />
    </>
  )
}
