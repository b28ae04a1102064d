import type { Mentioned } from '../../chat/mentions.ts'
import { textParts } from '../../chat/text-parts.ts'

interface Props {
  readonly text: string
  readonly mentioned: readonly Mentioned[]
  readonly self: string
}

/** A message's text: never read as HTML; web addresses can be followed, and who is called stands out. */
export function MessageText({ text, mentioned, self }: Props) {
  let offset = 0
  return (
    <p className="message-text">
      {textParts(text, mentioned).map((part) => {
        const key = offset
        offset += part.text.length
        if (part.mentioned !== undefined) {
          return (
            <span key={key} className="mention" data-self={part.mentioned.id === self}>
              {part.text}
            </span>
          )
        }
        if (part.href === undefined) return <span key={key}>{part.text}</span>
        return (
          <a key={key} href={part.href} target="_blank" rel="noopener noreferrer nofollow">
            {part.text}
          </a>
        )
      })}
    </p>
  )
}
