import { type ReactNode, useEffect, useState } from 'react'
import type { CollaborativeDocument } from '../../../client/index.ts'
import type { Account } from '../account.ts'
import type { DirectChatHint } from '../chat/direct-chats.ts'
import { useStore } from '../hooks/use-store.ts'
import type { Person } from '../people.ts'
import { titleOf, titles } from '../titles.ts'
import { Icon } from './Icon.tsx'
import { People } from './People.tsx'
import { SaveIndicator } from './SaveIndicator.tsx'

interface Props {
  readonly account: Account
  readonly document: CollaborativeDocument
  readonly people: readonly Person[]
  readonly menuButton: ReactNode
  readonly bell: ReactNode
  readonly historyButton: ReactNode
  readonly chatButton: ReactNode
  readonly unreadFrom: readonly DirectChatHint[]
  onMessage(user: string): void
}

export function TopBar(props: Props) {
  const { account, document, people, menuButton, bell, historyButton, chatButton, unreadFrom, onMessage } = props
  const title = titleOf(document.name, useStore(titles))
  useEffect(() => {
    globalThis.document.title = `${title} · Coweave`
  }, [title])
  return (
    <div className="top-bar">
      {menuButton}
      <span className="top-title" title={document.name}>
        {title}
      </span>
      <SaveIndicator account={account} document={document} />
      <People
        people={people}
        unseen={useStore(document.state).unseenPeople}
        unreadFrom={unreadFrom}
        onMessage={onMessage}
      />
      <CopyLink />
      {bell}
      {historyButton}
      {chatButton}
    </div>
  )
}

const COPIED_MS = 2_000

function CopyLink() {
  const [copied, setCopied] = useState(false)
  useEffect(() => {
    if (!copied) return
    const timer = setTimeout(() => setCopied(false), COPIED_MS)
    return () => clearTimeout(timer)
  }, [copied])
  // Browsers offer no clipboard to pages without TLS, other than on this machine.
  if (!window.isSecureContext) return null
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(location.origin + location.pathname)
      setCopied(true)
    } catch {
      // Refused by the user's settings; the address bar has the same link.
    }
  }
  return (
    <button type="button" className="button copy-link" data-tooltip="Copy a link to this document" onClick={copy}>
      <Icon name={copied ? 'check' : 'share'} size={18} />
      <span aria-live="polite">{copied ? 'Copied' : 'Share'}</span>
    </button>
  )
}
