import type { ReactNode } from 'react'

interface Props {
  readonly title: string
  readonly children: ReactNode
  readonly actions?: ReactNode
}

/** A page instead of a text: what is wrong, and what to do about it. */
export function Notice({ title, children, actions }: Props) {
  return (
    <section className="notice">
      <h1>{title}</h1>
      {children}
      {actions !== undefined && <div className="notice-actions">{actions}</div>}
    </section>
  )
}
