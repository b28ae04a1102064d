import { Popover } from '../Popover.tsx'

const EMOJI: readonly [emoji: string, name: string][] = [
  ['👍', 'Thumbs up'],
  ['❤️', 'Heart'],
  ['😄', 'Smile'],
  ['🎉', 'Party'],
  ['👀', 'Eyes'],
  ['✅', 'Done'],
  ['🙏', 'Thanks'],
  ['😢', 'Sad'],
]

interface Props {
  anchor(): DOMRect
  onPick(emoji: string): void
  onClose(): void
}

export function EmojiPicker({ anchor, onPick, onClose }: Props) {
  return (
    <Popover label="React with" anchor={anchor} onClose={onClose}>
      {(close) => (
        <div className="emoji-picker">
          {EMOJI.map(([emoji, name], index) => (
            <button
              key={emoji}
              type="button"
              className="emoji"
              aria-label={name}
              {...(index === 0 ? { 'data-autofocus': true } : {})}
              onClick={() => {
                close()
                onPick(emoji)
              }}
            >
              {emoji}
            </button>
          ))}
        </div>
      )}
    </Popover>
  )
}
