const ALLOWED = new Set(['http:', 'https:', 'mailto:'])

/** Whether a link may point there: the web and e-mail only, so that no link can run a script. */
export function isAllowedHref(href: string): boolean {
  try {
    return ALLOWED.has(new URL(href).protocol)
  } catch {
    return false
  }
}

/** The address somebody meant by `text`: `example.org` and `ann@example.org` get their scheme. Undefined: not allowed. */
export function hrefFrom(text: string): string | undefined {
  const trimmed = text.trim()
  if (trimmed === '' || /\s/.test(trimmed)) return undefined
  const hasScheme = /^[a-z][a-z0-9+.-]*:/i.test(trimmed) && !/^[^/]+:\d+(\/|$)/.test(trimmed)
  const href = hasScheme ? trimmed : /^[^@/]+@[^@/]+$/.test(trimmed) ? `mailto:${trimmed}` : `https://${trimmed}`
  return isAllowedHref(href) ? href : undefined
}
