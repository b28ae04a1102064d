const LINK = new Set(['http:', 'https:', 'mailto:'])
const IMAGE = new Set(['http:', 'https:'])

/** Whether a link may point there: the web and e-mail only, so that none can run a script. */
export function isAllowedHref(href: unknown): href is string {
  return typeof href === 'string' && LINK.has(URL.parse(href)?.protocol ?? '')
}

/** Whether an image may come from there: the web, or a path on the host of the page that shows it. */
export function isAllowedSource(source: unknown): source is string {
  if (typeof source !== 'string') return false
  return /^\/(?![/\\])/.test(source) || IMAGE.has(URL.parse(source)?.protocol ?? '')
}
