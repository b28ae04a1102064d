import type { CSSProperties } from 'react'
import { initials } from '../identity.ts'

interface Props {
  readonly name: string
  readonly color: string
  readonly size?: 'small' | 'medium'
  readonly kind?: 'agent' | undefined
}

export function Avatar({ name, color, size = 'medium', kind }: Props) {
  const style: CSSProperties & { '--person': string } = { '--person': color }
  return (
    <span
      className={`avatar avatar-${size}${kind === 'agent' ? ' avatar-agent' : ''}`}
      style={style}
      aria-hidden="true"
    >
      {initials(name)}
    </span>
  )
}
