import type { Editor } from '@tiptap/core'
import { useEffect, useMemo, useState } from 'react'
import type { ChatMessage } from '../../../model/chat.ts'
import { showComments } from '../editor/comment-marks.ts'
import { type Comment, quoteOf, rememberQuotes } from '../editor/comment-places.ts'

type Quotes = Readonly<Record<string, string | undefined>>

/** Marks the text that comments are about, and follows what it says: message id → text, undefined where it is gone. */
export function useQuotes(editor: Editor | null, messages: readonly ChatMessage[]): Quotes {
  const [quotes, setQuotes] = useState<Quotes>({})
  const comments = useStable(
    messages.flatMap(({ id, anchor, deletedAt }): Comment[] =>
      anchor === undefined || deletedAt !== undefined ? [] : [{ id, anchor }],
    ),
  )
  useEffect(() => {
    if (editor === null) return
    showComments(editor, comments)
    if (comments.length === 0) return
    let frame = 0
    const read = () => {
      frame = 0
      if (editor.isDestroyed) return
      rememberQuotes(editor.state, comments)
      const next = Object.fromEntries(comments.map((comment) => [comment.id, quoteOf(editor.state, comment)]))
      setQuotes((before) => (JSON.stringify(before) === JSON.stringify(next) ? before : next))
    }
    const follow = () => {
      if (frame === 0) frame = requestAnimationFrame(read)
    }
    read()
    editor.on('update', follow)
    return () => {
      editor.off('update', follow)
      cancelAnimationFrame(frame)
    }
  }, [editor, comments])
  return quotes
}

/** The same array until its content changes. */
function useStable<T>(value: T): T {
  const text = JSON.stringify(value)
  return useMemo(() => value, [text])
}
