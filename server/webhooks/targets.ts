import { lookup as lookUp } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { CoweaveError } from '../../model/errors.ts'
import { isPublicAddress } from './addresses.ts'

/** What one of WEBHOOK_PRIVATE_HOSTS may look like; undefined if it is all right. */
export function privateHostProblem(host: string): string | undefined {
  const isHost = ['http', 'https'].some((scheme) => URL.parse(`${scheme}://${host}`)?.host === host)
  return isHost ? undefined : 'must be <host> or <host>:<port>, in lower case'
}

/**
 * What is wrong with the URL of a webhook, as far as that shows without a look-up; undefined if it is all right. Only
 * https, to public addresses, but for `privateHosts`.
 */
export function webhookUrlProblem(text: string, privateHosts: readonly string[]): string | undefined {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return 'is not a URL of https'
  if (url.username !== '' || url.password !== '') return 'must not hold a user or password'
  if (isPrivateHost(url, privateHosts)) return undefined
  if (url.protocol !== 'https:') return 'must be https'
  return isRefusedLiteral(url) ? 'leads to an address that is not public' : undefined
}

/** Whether the operator allows it to be anywhere, and without TLS: as `<host>`, or with its port. */
export function isPrivateHost({ protocol, hostname, port }: URL, privateHosts: readonly string[]): boolean {
  const usualPort = protocol === 'https:' ? '443' : '80' // which a URL leaves out
  return privateHosts.includes(hostname) || privateHosts.includes(`${hostname}:${port || usualPort}`)
}

/**
 * Resolves names for the connection that is made, so that what is checked is what is connected to; if any address of a
 * name is not public, none is taken.
 */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookUp(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, '', 0)
    const [first] = addresses
    const isAllowed = first !== undefined && addresses.every(({ address }) => isPublicAddress(address))
    if (!isAllowed) return callback(addressRefused(hostname), '', 0)
    if (options.all) callback(null, addresses)
    else callback(null, first.address, first.family)
  })
}

export function addressRefused(hostname: string): CoweaveError {
  return new CoweaveError('webhook/address-refused', `${hostname} leads to an address that is not public`)
}

/** No name is looked up for such a host, so that it has to be checked by itself. */
export function isRefusedLiteral({ hostname }: URL): boolean {
  const address = hostname.replace(/^\[(.*)\]$/, '$1')
  return isIP(address) !== 0 && !isPublicAddress(address)
}
