/** A number that asks for attention; nothing at 0. It is for the eye: what it is on has a name that says the same. */
export function Badge({ count }: { count: number }) {
  if (count === 0) return null
  return (
    <span className="badge" aria-hidden="true">
      {count > 99 ? '99+' : count}
    </span>
  )
}
