import { expect, onTestFinished, test, vi } from 'vitest'
import { connectForCommands } from '../../server/cluster/redis-connections.ts'
import { parseRedisUrl } from '../../server/cluster/redis-url.ts'
import { UserRates } from '../../server/connection/user-rates.ts'
import { startRedis, startRedisCluster, type TestRedis } from '../support/redis.ts'

const SOON = { timeout: 20_000, interval: 10 }

/** The counts of an instance, once it is connected. */
async function openRates(url: string, namespace = 'the-database'): Promise<UserRates> {
  const client = connectForCommands(parseRedisUrl(url))
  onTestFinished(() => client.disconnect())
  await vi.waitFor(() => expect(client.status).toBe('ready'), SOON)
  return new UserRates({
    messagesPerSecond: 100,
    bytesPerSecond: 0,
    redis: { client, namespace },
    onProblem(error) {
      throw error
    },
  })
}

async function startOwnRedis(): Promise<TestRedis> {
  const redis = await startRedis()
  onTestFinished(() => redis.stop())
  return redis
}

const commandsOf = (redis: TestRedis) =>
  Number(/cmdstat_evalsha:calls=(\d+)/.exec(redis.command('INFO', 'commandstats'))?.[1] ?? 0)

test('what a user sends to one instance counts at the other', async () => {
  const redis = await startOwnRedis()
  const [here, there] = [await openRates(redis.url), await openRates(redis.url)]
  here.spend('ann', 10_000, 1) // 100 seconds' worth
  await vi.waitFor(() => expect(here.waitMs('ann')).toBeGreaterThan(50_000), SOON)
  expect(there.waitMs('ann')).toBe(0)
  await vi.waitFor(() => {
    there.spend('ann', 1, 1)
    expect(there.waitMs('ann')).toBeGreaterThan(50_000)
  }, SOON)
  expect(there.waitMs('ben')).toBe(0)
})

test('two databases that share a Redis count apart', async () => {
  const redis = await startOwnRedis()
  const [here, there] = [await openRates(redis.url), await openRates(redis.url, 'another')]
  here.spend('ann', 10_000, 1)
  await vi.waitFor(() => expect(here.waitMs('ann')).toBeGreaterThan(0), SOON)
  there.spend('ann', 1, 1)
  await vi.waitFor(() => expect(redis.command('KEYS', '*another*')).toContain('ann'), SOON)
  expect(there.waitMs('ann')).toBe(0)
})

test('many messages cost Redis few commands, and all are counted', async () => {
  const redis = await startOwnRedis()
  const rates = await openRates(redis.url)
  for (let i = 0; i < 10_000; i++) rates.spend('ann', 1, 1)
  await vi.waitFor(() => expect(rates.waitMs('ann')).toBeGreaterThan(50_000), SOON)
  expect(commandsOf(redis)).toBeLessThanOrEqual(2)
})

test.each(['stop', 'pause'] as const)('while Redis is away (%s) each instance counts for itself', async (how) => {
  const redis = await startOwnRedis()
  const [here, there] = [await openRates(redis.url), await openRates(redis.url)]
  await redis[how]()
  here.spend('ann', 10_000, 1)
  await vi.waitFor(() => expect(here.waitMs('ann')).toBeGreaterThan(50_000), SOON)
  there.spend('ann', 1, 1)
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(there.waitMs('ann')).toBe(0)
  if (how === 'pause') redis.resume()
  else await redis.start()
  there.spend('ben', 10_000, 1)
  await vi.waitFor(() => {
    here.spend('ben', 1, 1)
    there.spend('ben', 100, 1)
    expect(here.waitMs('ben')).toBeGreaterThan(0)
  }, SOON)
})

test('in a cluster, users are counted wherever their keys are', async () => {
  const cluster = await startRedisCluster()
  onTestFinished(() => cluster.stop())
  const [here, there] = [await openRates(cluster.url), await openRates(cluster.url)]
  const users = ['ann', 'ben', 'cem', 'dea', 'eva', 'fay']
  for (const user of users) here.spend(user, 10_000, 1)
  await vi.waitFor(() => {
    for (const user of users) there.spend(user, 1, 1)
    for (const user of users) expect(there.waitMs(user)).toBeGreaterThan(0)
  }, SOON)
})
