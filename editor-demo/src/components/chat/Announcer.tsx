import { useEffect, useRef, useState } from 'react'
import type { ChatState } from '../../../../client/index.ts'

interface Props {
  readonly self: string
  readonly view: ChatState
  nameOf(id: string): string
}

/** Reads out what others write while the chat is open. */
export function Announcer({ self, view, nameOf }: Props) {
  const [text, setText] = useState('')
  const last = view.messages.findLast(({ seq, author, deletedAt }) => seq && author !== self && !deletedAt)
  const seen = useRef(last?.seq ?? 0)
  useEffect(() => {
    if (last?.seq === undefined || last.seq <= seen.current) return
    // What was there before the room was loaded is no news.
    if (seen.current > 0 || view.messages.length === 1) setText(`${nameOf(last.author)}: ${last.text}`)
    seen.current = last.seq
  })
  return (
    <p className="visually-hidden" role="status">
      {text}
    </p>
  )
}
