export interface RedisNode {
  readonly host: string
  readonly port: number
}

/** What a `REDIS_URL` says. */
export interface RedisTarget {
  readonly kind: 'single' | 'cluster' | 'sentinel'
  readonly tls: boolean
  /** Of a single server one; else those that are asked for the others. */
  readonly nodes: readonly [RedisNode, ...RedisNode[]]
  readonly username: string | undefined
  readonly password: string | undefined
  readonly db: number
  /** What sentinels call the master; empty without sentinels. */
  readonly masterName: string
  readonly sentinelPassword: string | undefined
}

export const REDIS_URL_FORMS =
  'redis://[<user>:<password>@]<host>[:<port>][/<db>], redis-cluster://[<user>:<password>@]<host>:<port>,… or redis-sentinel://[<user>:<password>@]<host>:<port>,…/<master name>[?db=<n>&sentinelPassword=<password>]; rediss… over TLS'

const FORM = /^(redis|rediss)(?:-(cluster|sentinel))?:\/\/(?:([^@/?#]*)@)?([^@/?#]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/

/**
 * Where Redis is. Percent-encoding stands for any character in user, password and names.
 * @throws {Error} whose message says what is wrong, without anything secret
 */
export function parseRedisUrl(url: string): RedisTarget {
  const [, scheme, several, login, hosts = '', path = '', query = ''] = FORM.exec(url) ?? []
  if (scheme === undefined) throw new Error(`must be ${REDIS_URL_FORMS}`)
  const kind = several === 'cluster' || several === 'sentinel' ? several : 'single'
  const [first, ...others] = hosts.split(',').map((host) => parseNode(host, kind === 'sentinel' ? 26379 : 6379))
  if (first === undefined || (kind === 'single' && others.length > 0)) {
    throw new Error('several hosts are for redis-cluster:// and redis-sentinel://')
  }
  const parameters = new URLSearchParams(query)
  const allowed = kind === 'sentinel' ? ['db', 'sentinelPassword'] : []
  const unknown = [...parameters.keys()].filter((name) => !allowed.includes(name))
  if (unknown.length > 0) {
    throw new Error(`parameters are for redis-sentinel:// only: db, sentinelPassword`)
  }
  if (kind === 'cluster' && path !== '') throw new Error('a cluster has no databases: nothing may follow the hosts')
  if (kind === 'sentinel' && path === '') throw new Error('the name of the master must follow the sentinels: /<name>')
  return {
    kind,
    tls: scheme === 'rediss',
    nodes: [first, ...others],
    ...parseLogin(login),
    db: parseDatabase(kind === 'sentinel' ? (parameters.get('db') ?? '') : path),
    masterName: kind === 'sentinel' ? decode(path, 'the name of the master') : '',
    sentinelPassword: parameters.get('sentinelPassword') ?? undefined,
  }
}

/** Those of `items` in their order, the one at `start` first. */
export function rotated<T>(items: readonly T[], start: number): T[] {
  const from = start % items.length
  return [...items.slice(from), ...items.slice(0, from)]
}

function parseLogin(login: string | undefined): Pick<RedisTarget, 'username' | 'password'> {
  if (login === undefined) return { username: undefined, password: undefined }
  const [, username = '', password = ''] = /^([^:]*):(.+)$/s.exec(login) ?? []
  if (password === '') throw new Error('before the @ stands <user>:<password>, or :<password>')
  return {
    username: username === '' ? undefined : decode(username, 'the user'),
    password: decode(password, 'the password'),
  }
}

function parseNode(text: string, defaultPort: number): RedisNode {
  const [, bracketed, plain, digits] = /^(?:\[([\da-f:.]+)\]|([^\s:[\]]+))(?::(\d+))?$/i.exec(text) ?? []
  const host = bracketed ?? plain
  const port = digits === undefined ? defaultPort : Number(digits)
  if (host === undefined || port < 1 || port > 65_535) throw new Error('a host is <name or address>[:<port>]')
  return { host, port }
}

function parseDatabase(text: string): number {
  if (!/^\d{0,5}$/.test(text)) throw new Error('the database is a number')
  return Number(text)
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Error(`${what} has a % that is no percent-encoding: write %25`)
  }
}
