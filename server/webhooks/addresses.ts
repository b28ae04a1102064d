import { BlockList, isIP } from 'node:net'

/** Addresses of IPv4 that lead nowhere in the public internet (IANA's registry of special-purpose addresses). */
const NOT_PUBLIC_V4 = [
  '0.0.0.0/8', // this network
  '10.0.0.0/8',
  '100.64.0.0/10', // behind a carrier's translation; clouds have services there
  '127.0.0.0/8',
  '169.254.0.0/16', // link-local; metadata of clouds
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, and broadcast
]
/** Of IPv6 only this range is public at all, without these, some of which carry an address of IPv4. */
const GLOBAL_V6 = '2000::/3'
const NOT_PUBLIC_V6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']

const notPublic = new BlockList()
const global = new BlockList()
for (const range of NOT_PUBLIC_V4) add(notPublic, range, 'ipv4')
for (const range of NOT_PUBLIC_V6) add(notPublic, range, 'ipv6')
add(global, GLOBAL_V6, 'ipv6')

/**
 * Whether an address is one of the public internet: not of this machine, its network, or a cloud's metadata. One of IPv6
 * that stands for one of IPv4, in whichever way, is not.
 */
export function isPublicAddress(address: string): boolean {
  const version = isIP(address)
  if (version === 4) return !notPublic.check(address, 'ipv4')
  return version === 6 && global.check(address, 'ipv6') && !notPublic.check(address, 'ipv6')
}

function add(list: BlockList, range: string, family: 'ipv4' | 'ipv6'): void {
  const [net = '', prefix] = range.split('/')
  list.addSubnet(net, Number(prefix), family)
}
