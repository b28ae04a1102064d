/** Whether a `DATABASE_URL` names a Postgres database. */
export function isPostgresUrl(url: string): boolean {
  return /^postgres(ql)?:\/\//.test(url)
}

/**
 * A `DATABASE_URL` or `REDIS_URL` as it may be shown: without user, password and parameters. Never fails, since it is also for
 * showing what is no URL at all, and rather hides too much.
 */
export function shownUrl(url: string): string {
  if (url.startsWith('sqlite:')) return url
  const [, scheme, rest] = /^([a-z-]+:\/\/)(.*)$/is.exec(url) ?? []
  if (scheme === undefined || rest === undefined) return '(no URL)'
  // Behind an @ in the parameters there may be the rest of a password.
  if (/\?.*@/s.test(rest)) return scheme
  return scheme + rest.replace(/^.*@/s, '').replace(/\?.*$/s, '')
}
