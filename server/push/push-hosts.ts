/** The push services of Chrome, Edge and others; Firefox; Safari; Windows. */
export const PUBLIC_PUSH_HOSTS = [
  'fcm.googleapis.com',
  'updates.push.services.mozilla.com',
  '*.push.apple.com',
  '*.notify.windows.com',
]

const LOOPBACK = ['127.0.0.1', '[::1]', 'localhost']

/** What one of PUSH_HOSTS may look like; undefined if it is all right. */
export function pushHostProblem(host: string): string | undefined {
  if (/^(\*\.)?[a-z\d-]+(\.[a-z\d-]+)+$/.test(host) && !/^[\d.]+$/.test(host)) return undefined
  const url = URL.parse(host)
  if (url?.protocol === 'http:' && url.origin === host && LOOPBACK.includes(url.hostname)) return undefined
  return 'must be <host>, *.<domain>, or http://127.0.0.1:<port> for development'
}

/**
 * Whether the server may call `endpoint`, which a user gave: only push services that the operator trusts, over TLS, at
 * their usual port. A list of names leaves no way to addresses in the server's own network: whatever a name resolves to
 * must also have the certificate.
 */
export function isPushEndpoint(endpoint: string, hosts: readonly string[]): boolean {
  const url = URL.parse(endpoint)
  if (url === null || url.username !== '' || url.password !== '') return false
  if (url.protocol === 'http:') return hosts.includes(url.origin)
  if (url.protocol !== 'https:' || url.port !== '') return false
  return hosts.some((host) => (host.startsWith('*.') ? url.hostname.endsWith(host.slice(1)) : url.hostname === host))
}
