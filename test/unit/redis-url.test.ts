import { expect, test } from 'vitest'
import { parseRedisUrl } from '../../server/cluster/redis-url.ts'
import { readConfig } from '../../server/config.ts'

const single = {
  kind: 'single',
  tls: false,
  nodes: [{ host: 'localhost', port: 6379 }],
  username: undefined,
  password: undefined,
  db: 0,
  masterName: '',
  sentinelPassword: undefined,
}

test.each([
  ['redis://localhost', single],
  ['redis://localhost/', single],
  ['rediss://localhost:6380/5', { ...single, tls: true, nodes: [{ host: 'localhost', port: 6380 }], db: 5 }],
  ['redis://[::1]:7000', { ...single, nodes: [{ host: '::1', port: 7000 }] }],
  ['redis://:s%40cret@localhost', { ...single, password: 's@cret' }],
  ['redis://ann:a:b%2F@localhost', { ...single, username: 'ann', password: 'a:b/' }],
  [
    'rediss-cluster://ann:pw@a.example:1,b.example',
    {
      ...single,
      kind: 'cluster',
      tls: true,
      nodes: [
        { host: 'a.example', port: 1 },
        { host: 'b.example', port: 6379 },
      ],
      username: 'ann',
      password: 'pw',
    },
  ],
  [
    'redis-sentinel://:pw@a,b:1/my%20master?db=2&sentinelPassword=x%26y',
    {
      ...single,
      kind: 'sentinel',
      nodes: [
        { host: 'a', port: 26379 },
        { host: 'b', port: 1 },
      ],
      password: 'pw',
      db: 2,
      masterName: 'my master',
      sentinelPassword: 'x&y',
    },
  ],
])('%s', (url, target) => {
  expect(parseRedisUrl(url)).toEqual(target)
  expect(readConfig({ REDIS_URL: url }).REDIS_URL).toBe(url)
})

test.each([
  ['localhost:6379', /must be redis:\/\//],
  ['http://s3cret@localhost', /must be redis:\/\//],
  ['redis://', /must be redis:\/\//],
  ['redis://ann:s3cret@x@localhost', /must be redis:\/\//],
  ['redis://s3cret@localhost', /<user>:<password>/],
  ['redis://ann:s3cret%@localhost', /%25/],
  ['redis://a,b', /redis-cluster/],
  ['redis://localhost:0', /<port>/],
  ['redis://localhost:70000', /<port>/],
  ['redis://localhost:s3cret', /<port>/],
  ['redis://localhost/one', /database is a number/],
  ['redis://localhost?password=s3cret', /parameters/],
  ['redis-cluster://a:1,,b:2', /<port>/],
  ['redis-cluster://a:1/2', /no databases/],
  ['redis-sentinel://a:1', /name of the master/],
  ['redis-sentinel://a:1/main?db=x', /database is a number/],
  ['redis-sentinel://a:1/main?sentinelPassword=s3cret&tls=1', /db, sentinelPassword/],
  ['redis-sentinel://a:1/main?sentinelPassword=a@s3cret&tls=1', /db, sentinelPassword/],
])('%s is refused, and nothing secret is shown', (url, problem) => {
  expect(() => parseRedisUrl(url)).toThrow(problem)
  expect(() => readConfig({ REDIS_URL: url })).toThrow(problem)
  const refusal = refusalOf(url)
  expect(refusal).toMatchObject({ code: 'config/invalid' })
  // Where a password may stand; as a port it is shown.
  if (!url.includes('localhost:s3cret')) expect(refusal.message).not.toContain('s3cret')
})

function refusalOf(url: string): Error {
  try {
    readConfig({ REDIS_URL: url })
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('the setting was taken')
}
