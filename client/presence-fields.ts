/** What is shown of a user beside who they are: as it stands in the awareness state. */
export type PresenceFields = Readonly<Record<string, unknown>>

/** `after` over `before`; inside `user` too, where editors' bindings look for names and colours. */
export function mergeFields(before: PresenceFields, after: PresenceFields): PresenceFields {
  const merged = { ...before, ...after }
  if (!isFields(before.user) || !isFields(after.user)) return merged
  return { ...merged, user: { ...before.user, ...after.user } }
}

/** Without those that are undefined, at the top and inside `user`. */
export function definedFields(fields: PresenceFields): PresenceFields {
  const defined = withoutUndefined(fields)
  return isFields(defined.user) ? { ...defined, user: withoutUndefined(defined.user) } : defined
}

export function isFields(value: unknown): value is PresenceFields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function withoutUndefined(fields: PresenceFields): PresenceFields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
