import { useCallback, useEffect, useRef, useState } from 'react'
import type * as Y from 'yjs'
import { useDocument, useInbox } from '../../../client/react/index.ts'
import type { Account } from '../account.ts'
import type { DirectChats } from '../chat/direct-chats.ts'
import { useDirectChats } from '../hooks/use-direct-chats.ts'
import { type DocumentList, useDocumentList } from '../hooks/use-document-list.ts'
import { useMedia } from '../hooks/use-media.ts'
import { useStore } from '../hooks/use-store.ts'
import { randomId } from '../identity.ts'
import type { ChatTarget, Router } from '../route.ts'
import { BadAddress } from './BadAddress.tsx'
import { DocumentPane } from './DocumentPane.tsx'
import { Icon } from './Icon.tsx'
import { Bell } from './inbox/Bell.tsx'
import { LobbyPanel } from './lobby/LobbyPanel.tsx'
import { Sidebar } from './Sidebar.tsx'

const LIST_DELAY_MS = 500

interface Props {
  readonly account: Account
  readonly router: Router
}

/** The list of documents beside the one that is open; on narrow screens the list is a drawer. */
export function Workspace({ account, router }: Props) {
  const route = useStore(router.route)
  const { identity } = useStore(account.view)
  const list = useDocumentList()
  const direct = useDirectChats(identity.id)
  useInbox() // stays open, whatever shows it
  const narrow = useMedia('(max-width: 860px)')
  const [drawerOpen, setDrawerOpen] = useState(false)
  const [created, setCreated] = useState<string>()
  const menuButton = useRef<HTMLButtonElement>(null)
  const closeButton = useRef<HTMLButtonElement>(null)
  const main = useRef<HTMLElement>(null)
  const covered = narrow && drawerOpen

  const closeDrawer = useCallback(() => setDrawerOpen(false), [])
  useEffect(() => {
    if (!covered) return
    closeButton.current?.focus()
    const key = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && document.querySelector('dialog[open]') === null) closeDrawer()
    }
    document.addEventListener('keydown', key)
    const page = main.current
    return () => {
      document.removeEventListener('keydown', key)
      // What had the focus has gone behind the edge; another document's menu button is not there yet.
      const next = menuButton.current ?? page
      next?.focus()
    }
  }, [covered, closeDrawer])

  const open = (name: string) => {
    router.go(name)
    setDrawerOpen(false)
  }
  const create = () => {
    const name = `notes/untitled-${randomId(6)}`
    setCreated(name)
    open(name)
  }
  const bell = <Bell onFollow={(link) => router.follow(link)} />
  const current = route.kind === 'document' ? route.name : undefined
  const menu = narrow ? (
    <button
      ref={menuButton}
      type="button"
      className="icon-button"
      aria-label="Documents"
      aria-expanded={drawerOpen}
      onClick={() => setDrawerOpen(true)}
    >
      <Icon name="menu" />
    </button>
  ) : null

  return (
    <div className="workspace">
      <button type="button" className="skip-link" onClick={focusEditor}>
        Skip to the text
      </button>
      <aside
        className="sidebar"
        data-open={covered}
        inert={narrow && !drawerOpen}
        aria-label="Documents, people and settings"
      >
        <Sidebar
          account={account}
          list={list}
          current={current}
          onOpen={open}
          onCreate={create}
          closeButton={
            narrow && (
              <button ref={closeButton} type="button" className="icon-button" aria-label="Close" onClick={closeDrawer}>
                <Icon name="close" />
              </button>
            )
          }
        >
          <LobbyPanel
            identity={identity}
            document={current}
            direct={direct}
            onChat={(user) => {
              router.openChat(user)
              setDrawerOpen(false)
            }}
          />
        </Sidebar>
      </aside>
      {covered && <div className="backdrop" onClick={closeDrawer} aria-hidden="true" />}
      <main ref={main} className="main" tabIndex={-1} inert={covered}>
        {route.kind === 'document' ? (
          <OpenDocument
            key={route.name}
            account={account}
            name={route.name}
            list={list}
            direct={direct}
            target={route.chat}
            menuButton={menu}
            bell={bell}
            autoFocus={route.name === created}
          />
        ) : (
          <BadAddress problem={route.problem} menuButton={menu} onOpen={open} />
        )}
      </main>
    </div>
  )
}

interface OpenDocumentProps {
  readonly account: Account
  readonly name: string
  readonly list: DocumentList
  readonly direct: DirectChats | undefined
  readonly target: ChatTarget | undefined
  readonly menuButton: React.ReactNode
  readonly bell: React.ReactNode
  readonly autoFocus: boolean
}

function OpenDocument({ name, list, ...rest }: OpenDocumentProps) {
  const view = useDocument(name)
  const { document, ydoc } = view
  useListRefresh(name, ydoc, list)
  if (document === undefined) return null
  return <DocumentPane document={document} view={view} {...rest} />
}

/** The list learns of a document once it has been written to, by whomever; the server needs a moment for that. */
function useListRefresh(name: string, ydoc: Y.Doc | undefined, list: DocumentList): void {
  const latest = useRef(list)
  latest.current = list
  useEffect(() => {
    if (ydoc === undefined) return
    let timer: ReturnType<typeof setTimeout> | undefined
    const written = () => {
      if (latest.current.documents.some((listed) => listed.name === name)) return
      timer ??= setTimeout(() => {
        timer = undefined
        latest.current.refresh()
      }, LIST_DELAY_MS)
    }
    ydoc.on('update', written)
    return () => {
      ydoc.off('update', written)
      clearTimeout(timer)
    }
  }, [name, ydoc])
}

function focusEditor(): void {
  document.getElementById('editor')?.focus()
}
