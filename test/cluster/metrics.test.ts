import { expect, onTestFinished, test } from 'vitest'
import { openClient, whenDocument } from '../support/clients.ts'
import { startRedis } from '../support/redis.ts'
import { startServer, type TestServer, temporaryFolder } from '../support/server.ts'

/** The figures of `GET /metrics` that are ours, without those of Node. */
async function metricsOf(server: TestServer): Promise<Record<string, number>> {
  const response = await fetch(`${server.url}/metrics`)
  expect(response.headers.get('content-type')).toContain('text/plain')
  const lines = (await response.text()).split('\n').filter((line) => line.startsWith('coweave_'))
  return Object.fromEntries(lines.map((line) => line.split(' ')).map(([name, value]) => [name, Number(value)]))
}

test('metrics tell what was taken, and how what others committed came', async () => {
  const redis = await startRedis()
  const folder = temporaryFolder()
  const environment = { REDIS_URL: redis.url }
  const [one, other] = [await startServer({ folder, environment }), await startServer({ folder, environment })]
  const alone = await startServer()
  const [ann, bob] = [openClient(one, 'notes/a'), openClient(other, 'notes/a', { user: 'bob' })]
  onTestFinished(async () => {
    for (const client of [ann, bob]) client.destroy()
    await Promise.all([one.stop(), other.stop(), alone.stop()])
    await redis.stop()
  })
  await Promise.all([ann.synced(), bob.synced()])
  await expect.poll(async () => (await metricsOf(other)).coweave_relay_up).toBe(1)
  ann.text.insert(0, 'relayed')
  await whenDocument(bob.ydoc, () => bob.text.toString() === 'relayed')
  const taken = await metricsOf(one)
  expect(taken).toMatchObject({
    coweave_connections: 1,
    coweave_documents: 1,
    coweave_updates_total: 1,
    coweave_updates_committed_total: 1,
    coweave_waiting_bytes: 0,
    coweave_relayed_total: 0,
  })
  expect(await metricsOf(other)).toMatchObject({ coweave_updates_total: 0, coweave_relayed_total: 1 })

  await redis.stop()
  ann.text.insert(0, 'not ')
  await whenDocument(bob.ydoc, () => bob.text.toString() === 'not relayed')
  await expect.poll(async () => (await metricsOf(other)).coweave_relay_up).toBe(0)
  const { coweave_repaired_total: repaired, coweave_followed_delay_seconds_total: delay } = await metricsOf(other)
  expect(repaired).toBe(1)
  expect(delay).toBeGreaterThan(0)
  expect(await metricsOf(alone)).not.toHaveProperty('coweave_relay_up')
})
