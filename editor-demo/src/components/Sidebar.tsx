import { type ReactNode, useState } from 'react'
import type { Account } from '../account.ts'
import type { DocumentList } from '../hooks/use-document-list.ts'
import { useStore } from '../hooks/use-store.ts'
import { titles } from '../titles.ts'
import { Avatar } from './Avatar.tsx'
import { DocumentLink } from './DocumentLink.tsx'
import { Icon } from './Icon.tsx'
import { RenameDialog } from './RenameDialog.tsx'
import { ThemeChoice } from './ThemeChoice.tsx'

interface Props {
  readonly account: Account
  readonly list: DocumentList
  readonly current: string | undefined
  onOpen(name: string): void
  onCreate(): void
  /** On narrow screens: the button that closes the drawer. */
  readonly closeButton: ReactNode
  /** Below the documents. */
  readonly children: ReactNode
}

export function Sidebar({ account, list, current, onOpen, onCreate, closeButton, children }: Props) {
  const known = useStore(titles)
  const listed = list.documents.map(({ name }) => name)
  // A new document is on the server only after its first edit; it is on the list before.
  const fresh = current !== undefined && !listed.includes(current) ? [{ name: current, updatedAt: undefined }] : []
  return (
    <>
      <div className="sidebar-head">
        <span className="brand">
          <img src="/favicon.svg" alt="" width="24" height="24" />
          Coweave
        </span>
        {closeButton}
      </div>
      <button type="button" className="button new-document" onClick={onCreate}>
        <Icon name="plus" size={18} />
        New document
      </button>
      <nav className="documents" aria-label="Documents">
        <h2>Documents</h2>
        <ul>
          {[...fresh, ...list.documents].map(({ name, updatedAt }) => (
            <li key={name}>
              <DocumentLink
                name={name}
                updatedAt={updatedAt}
                known={known}
                current={name === current}
                onOpen={onOpen}
              />
            </li>
          ))}
        </ul>
        {list.state === 'failed' && (
          <p className="documents-problem">
            The list can’t be loaded now.{' '}
            <button type="button" className="text-button" onClick={list.refresh}>
              Try again
            </button>
          </p>
        )}
      </nav>
      {children}
      <div className="sidebar-foot">
        <Profile account={account} />
        <ThemeChoice />
      </div>
    </>
  )
}

function Profile({ account }: { account: Account }) {
  const { identity, canRename } = useStore(account.view)
  const [renaming, setRenaming] = useState(false)
  const face = (
    <>
      <Avatar name={identity.name} color={identity.color} size="small" />
      <span className="profile-name">{identity.name}</span>
    </>
  )
  if (!canRename) return <div className="profile">{face}</div>
  return (
    <>
      <button
        type="button"
        className="profile"
        aria-label={`${identity.name}: change your name`}
        data-tooltip="Change your name"
        onClick={() => setRenaming(true)}
      >
        {face}
        <Icon name="edit" size={16} />
      </button>
      {renaming && <RenameDialog account={account} onClose={() => setRenaming(false)} />}
    </>
  )
}
