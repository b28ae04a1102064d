import { textParts } from '../../chat/text-parts.ts'

/** A message's text: never read as HTML; web addresses can be followed. */
export function MessageText({ text }: { text: string }) {
  let offset = 0
  return (
    <p className="message-text">
      {textParts(text).map((part) => {
        const key = offset
        offset += part.text.length
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
