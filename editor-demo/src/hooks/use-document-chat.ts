import type { Editor } from '@tiptap/core'
import { type RefObject, useCallback, useEffect, useRef, useState } from 'react'
import { type Chat, CoweaveError, documentNameProblem, Store } from '../../../client/index.ts'
import { useChat } from '../../../client/react/index.ts'
import { roomOf } from '../../../model/rooms.ts'
import { type DirectCall, type DirectChatHint, type DirectChats, noHints } from '../chat/direct-chats.ts'
import type { NewComment } from '../components/chat/ChatPanel.tsx'
import { anchorOfSelection } from '../editor/anchors.ts'
import { textIn } from '../editor/comment-places.ts'
import type { Person } from '../people.ts'
import type { ChatTarget } from '../route.ts'
import { useQuotes } from './use-quotes.ts'
import { useStore } from './use-store.ts'

/** Stays as it is when another document is opened. */
const chatOpen = new Store(false)
const noCalls = new Store<readonly DirectCall[]>([])

/** The chat beside a document, as the parts of the page see it. */
export interface DocumentChat {
  readonly self: string
  /** Undefined for documents that have no chat. */
  readonly room: string | undefined
  readonly chat: Chat | undefined
  readonly unread: number
  readonly unreadFrom: readonly DirectChatHint[]
  /** Of direct chats; those that are not over. */
  readonly calls: readonly DirectCall[]
  readonly isOpen: boolean
  /** Just now, by the user: it may take the focus. */
  readonly wasOpened: boolean
  /** Whose direct chat is shown in its place. */
  readonly partner: string | undefined
  /** What is to be scrolled to in the chat that is shown. */
  readonly wanted: ChatTarget | undefined
  readonly newComment: NewComment | undefined
  readonly quotes: Readonly<Record<string, string | undefined>>
  readonly button: RefObject<HTMLButtonElement | null>
  readonly open: () => void
  readonly close: () => void
  readonly openDirect: (user: string) => void
  readonly leaveDirect: () => void
  readonly endWanted: () => void
  /** Begins a message about the selected text. */
  readonly comment: () => void
  readonly endComment: () => void
}

interface Options {
  readonly self: string
  /** Of the document. */
  readonly name: string
  /** The one beside it. */
  readonly chat: Chat | undefined
  readonly direct: DirectChats | undefined
  /** Asked for from outside, as by a link. */
  readonly target: ChatTarget | undefined
  readonly people: readonly Person[]
  readonly editor: Editor | null
}

export function useDocumentChat(options: Options): DocumentChat {
  const { self, name, chat: beside, direct, target, people, editor } = options
  const room = chatBeside(name)
  const chat = room === undefined ? undefined : beside
  const { unread, messages } = useChat(chat)
  const unreadFrom = useStore(direct?.unread ?? noHints)
  const calls = useStore(direct?.calls ?? noCalls)
  const isOpen = useStore(chatOpen)
  const quotes = useQuotes(editor, messages)
  const [wasOpened, setWasOpened] = useState(false)
  const [partner, setPartner] = useState<string>()
  const [wanted, setWanted] = useState<ChatTarget>()
  const [newComment, setNewComment] = useState<NewComment>()
  const button = useRef<HTMLButtonElement>(null)
  useEffect(() => direct?.setHere(people.map(({ id }) => id)), [direct, people])

  const open = useCallback(() => {
    setWasOpened(true)
    chatOpen.set(true)
  }, [])
  const close = useCallback(() => {
    chatOpen.set(false)
    setPartner(undefined)
    setNewComment(undefined)
    button.current?.focus()
  }, [])
  const openDirect = useCallback(
    (user: string) => {
      direct?.use(user)
      setPartner(user)
      open()
    },
    [direct, open],
  )
  // Chosen outside: shown as if it had been chosen here.
  useEffect(() => {
    if (target === undefined) return
    setPartner(target.partner)
    setWanted(target)
    open()
  }, [target, open])
  useEffect(() => {
    if (target?.partner !== undefined) direct?.use(target.partner)
  }, [direct, target])
  const comment = useCallback(() => {
    const anchor = editor === null ? undefined : anchorOfSelection(editor)
    if (editor === null || anchor === undefined) return
    setPartner(undefined)
    setNewComment({ anchor, quote: textIn(editor.state, editor.state.selection) })
    open()
  }, [editor, open])

  return {
    self,
    room,
    chat,
    unread,
    unreadFrom,
    calls,
    isOpen: isOpen && (room !== undefined || partner !== undefined),
    wasOpened,
    partner,
    wanted,
    newComment,
    quotes,
    button,
    open,
    close,
    openDirect,
    leaveDirect: useCallback(() => setPartner(undefined), []),
    endWanted: useCallback(() => setWanted(undefined), []),
    comment,
    endComment: useCallback(() => setNewComment(undefined), []),
  }
}

/** A name can be too long for it, or end like a part of a room's. */
function chatBeside(document: string): string | undefined {
  const room = `chat/${document}`
  try {
    return documentNameProblem(room) === undefined && roomOf(room)?.segment === undefined ? room : undefined
  } catch (error) {
    if (error instanceof CoweaveError) return undefined
    throw error
  }
}
