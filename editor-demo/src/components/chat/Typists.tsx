import type { Chat } from '../../../../client/index.ts'
import { useTyping } from '../../../../client/react/index.ts'

export function Typists({ chat }: { chat: Chat }) {
  const { typists } = useTyping(chat)
  const names = typists.map(({ name }) => name)
  const text =
    names.length === 0
      ? ''
      : names.length === 1
        ? `${names[0]} is typing…`
        : names.length === 2
          ? `${names[0]} and ${names[1]} are typing…`
          : `${names.length} people are typing…`
  return (
    <p className="typists" data-testid="typists">
      {text}
    </p>
  )
}
