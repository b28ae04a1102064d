import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test, vi } from 'vitest'
import { connectForCommands } from '../../server/cluster/redis-connections.ts'
import { parseRedisUrl } from '../../server/cluster/redis-url.ts'
import { UserRates } from '../../server/connection/user-rates.ts'
import { startRedis, startRedisCluster, startRedisSentinel } from '../support/redis.ts'
import { openRelay, say, type TestRelay } from './relays.ts'

const password = 'p@ss/w:rd?&#% ö'
const TIMEOUT = { timeout: 30_000, interval: 20 }

const isUp = (...relays: TestRelay[]) =>
  vi.waitFor(() => expect(relays.every(({ relay }) => relay.isUp)).toBe(true), TIMEOUT)

/** Whether both hear each other; what they published before both were up may be lost. */
async function hearEachOther(here: TestRelay, there: TestRelay): Promise<void> {
  const [heardHere, heardThere] = [await here.hear('notes'), await there.hear('notes')]
  await vi.waitFor(() => {
    here.relay.publish('notes', say('from here'))
    there.relay.publish('notes', say('from there'))
    expect([heardHere[0], heardThere[0]]).toEqual([say('from there'), say('from here')])
  }, TIMEOUT)
}

test('a password: the right one connects, and a wrong one is told without telling any', async () => {
  const redis = await startRedis({ password })
  onTestFinished(() => redis.stop())
  const [here, there] = [openRelay(redis.url), openRelay(redis.url.replace('default:', ':'))]
  await isUp(here, there)
  await hearEachOther(here, there)
  const wrong = openRelay(`redis://default:wr0ng-pa55@127.0.0.1:${redis.port}`)
  await vi.waitFor(() => expect(wrong.log.join()).toMatch(/WRONGPASS/), TIMEOUT)
  const none = openRelay(`redis://127.0.0.1:${redis.port}`)
  await vi.waitFor(() => expect(none.log.join()).toMatch(/NOAUTH/), TIMEOUT)
  expect([...wrong.changes, ...none.changes]).toEqual([])
  for (const { log } of [here, wrong, none]) {
    expect(log.join()).not.toContain('wr0ng-pa55')
    expect(log.join()).not.toContain(password)
  }
})

test('a user with no more rights than docs/cluster.md gives', async () => {
  const [cluster, redis] = [await startRedisCluster(), await startRedis()]
  onTestFinished(() => Promise.all([cluster.stop(), redis.stop()]).then(() => {}))
  const docs = readFileSync(new URL('../../docs/cluster.md', import.meta.url), 'utf8')
  const [, rights = ''] = /^ACL SETUSER coweave (.*)$/m.exec(docs) ?? []
  const inCluster = [...docs.matchAll(/\+cluster\|\w+/g)].join(' ')
  redis.command('ACL', 'SETUSER', 'coweave', ...rights.split(' '))
  for (const node of cluster.nodes) node.command('ACL', 'SETUSER', 'coweave', ...`${rights} ${inCluster}`.split(' '))
  for (const [{ url }, nodes] of [
    [redis, [redis]],
    [cluster, cluster.nodes],
  ] as const) {
    const own = url.replace('://', '://coweave:password@')
    const [here, there] = [openRelay(own), openRelay(own)]
    await isUp(here, there)
    await hearEachOther(here, there)
    const client = connectForCommands(parseRedisUrl(own))
    onTestFinished(() => client.disconnect())
    await vi.waitFor(() => expect(client.status).toBe('ready'), TIMEOUT)
    const onProblem = vi.fn()
    const rates = new UserRates({
      messagesPerSecond: 1,
      bytesPerSecond: 0,
      redis: { client, namespace: 'x' },
      onProblem,
    })
    await vi.waitFor(() => {
      rates.spend('ann', 1, 1)
      expect(nodes.map((node) => node.command('KEYS', '*')).join()).toContain('coweave:rate:x:messages:ann')
    }, TIMEOUT)
  }
})

test('another database of the same Redis', async () => {
  const redis = await startRedis()
  onTestFinished(() => redis.stop())
  const [here, there] = [openRelay(`${redis.url}/3`), openRelay(`${redis.url}/3`)]
  await isUp(here, there)
  await hearEachOther(here, there)
})

test('TLS: a certificate that nobody vouches for is refused, one of NODE_EXTRA_CA_CERTS is taken', async () => {
  const redis = await startRedis({ password, tls: true })
  onTestFinished(() => redis.stop())
  const refused = openRelay(redis.url)
  // Many at once, since what comes after a refusal may be worse: an error that nobody listens for.
  const relays = [refused, ...Array.from({ length: 20 }, () => openRelay(redis.url))]
  for (const { log } of relays) {
    const refusals = () => log.filter((line) => line.includes('self-signed certificate')).length
    await vi.waitFor(() => expect(refusals()).toBeGreaterThan(3), TIMEOUT)
  }
  expect(refused.relay.isUp).toBe(false)
  expect(await connectsInProcess(redis.url, redis.certificate)).toBe(true)
})

test('a cluster: messages go from node to node, and one of its nodes may die', async () => {
  const cluster = await startRedisCluster({ password })
  onTestFinished(() => cluster.stop())
  const [here, there] = [openRelay(cluster.url), openRelay(cluster.url)]
  await isUp(here, there)
  await hearEachOther(here, there)
  await cluster.nodes[0]?.stop()
  // Both had their connection for publishing there.
  await vi.waitFor(() => expect([here.changes, there.changes]).toEqual(Array(2).fill(['up', 'down', 'up'])), TIMEOUT)
  await hearEachOther(here, there)
})

test('a cluster over TLS', async () => {
  const cluster = await startRedisCluster({ tls: true })
  onTestFinished(() => cluster.stop())
  expect(await connectsInProcess(cluster.url, cluster.nodes[0]?.certificate ?? '')).toBe(true)
})

test('sentinels: the master dies, and its replica takes over', async () => {
  const sentinel = await startRedisSentinel({ password })
  onTestFinished(() => sentinel.stop())
  const [here, there] = [openRelay(sentinel.url), openRelay(`${sentinel.url}?db=2`)]
  await isUp(here, there)
  await hearEachOther(here, there)
  const [master, replica] = sentinel.nodes
  await master.stop()
  await vi.waitFor(() => expect([here.changes.at(-1), there.changes.at(-1)]).toEqual(['down', 'down']), TIMEOUT)
  await isUp(here, there)
  expect(sentinel.masterPort()).toBe(replica.port)
  await hearEachOther(here, there)
})

/** Whether a relay comes up in a process that trusts `certificate`: Node reads what to trust only when it starts. */
async function connectsInProcess(url: string, certificate: string): Promise<boolean> {
  const script = fileURLToPath(new URL('connect-relay.ts', import.meta.url))
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: certificate, REDIS_URL: url }
  const { stdout } = await promisify(execFile)(process.execPath, [script], { env, timeout: 30_000 })
  return stdout.trim() === 'up'
}
