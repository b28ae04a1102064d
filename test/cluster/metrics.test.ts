import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { z } from 'zod'
import { newVapidKeys } from '../../server/push/vapid.ts'
import { openClient, whenDocument } from '../support/clients.ts'
import { EventSourceReader } from '../support/event-source.ts'
import { type OtlpReceiver, startOtlpReceiver } from '../support/otlp-receiver.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { startServer, type TestServer, temporaryFolder } from '../support/server.ts'

let redis: TestRedis
let collector: OtlpReceiver
let one: TestServer
let other: TestServer
let alone: TestServer

beforeAll(async () => {
  redis = await startRedis()
  collector = await startOtlpReceiver()
  const folder = temporaryFolder()
  const { publicKey, privateKey } = newVapidKeys()
  const push = { VAPID_PUBLIC_KEY: publicKey, VAPID_PRIVATE_KEY: privateKey, VAPID_SUBJECT: 'mailto:a@example.org' }
  const environment = { REDIS_URL: redis.url, ...push }
  const traced = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, LOG_LEVEL: 'debug' }
  one = await startServer({ folder, environment: { ...environment, ...traced } })
  other = await startServer({ folder, environment })
  alone = await startServer()
})

afterAll(async () => {
  await Promise.all([other.stop(), alone.stop()])
  await redis.stop()
  collector.stop()
})

async function textOf(server: TestServer): Promise<string> {
  const response = await fetch(`${server.url}/metrics`)
  expect(response.headers.get('content-type')).toContain('text/plain')
  return await response.text()
}

/** The figures of `GET /metrics` that are ours, without those of Node. */
async function metricsOf(server: TestServer): Promise<Record<string, number>> {
  const lines = (await textOf(server)).split('\n').filter((line) => line.startsWith('coweave_'))
  const figures = lines.map((line) => [line.replace(/ [^ ]+$/, ''), Number(line.split(' ').at(-1))] as const)
  return Object.fromEntries(figures)
}

test('metrics tell what was taken, and how what others committed came', async () => {
  const [ann, bob] = [openClient(one, 'notes/a'), openClient(other, 'notes/a', { user: 'bob' })]
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
  for (const client of [ann, bob]) client.destroy()
})

test('so many edits by so many clients are so many, each committed, acknowledged and told to the others', async () => {
  const clients = ['ann', 'bob', 'eve'].map((user) => openClient(alone, 'notes/counted', { user }))
  await Promise.all(clients.map((client) => client.saved()))
  const before = await metricsOf(alone)
  const edits = 20
  for (let edit = 0; edit < edits; edit++) for (const { text } of clients) text.insert(0, 'x')
  await Promise.all(clients.map((client) => client.saved()))
  await Promise.all(clients.map(({ ydoc, text }) => whenDocument(ydoc, () => text.length === 3 * edits)))
  const after = await metricsOf(alone)
  const grown = (name: string) => (after[name] ?? Number.NaN) - (before[name] ?? Number.NaN)
  const all = 3 * edits
  expect({
    taken: grown('coweave_updates_total'),
    committed: grown('coweave_updates_committed_total'),
    inCommits: grown('coweave_commit_updates_sum'),
    acknowledged: grown('coweave_acknowledgement_seconds_count'),
  }).toEqual({ taken: all, committed: all, inCommits: all, acknowledged: all })
  expect(grown('coweave_commit_updates_count')).toBe(grown('coweave_commit_seconds_count'))
  expect(grown('coweave_commit_seconds_sum')).toBeGreaterThan(0)
  // Signs of life may come in between.
  expect(grown('coweave_messages_received_total')).toBeGreaterThanOrEqual(all)
  expect(grown('coweave_broadcast_seconds_count')).toBeGreaterThanOrEqual(2 * all)
  expect(grown('coweave_frames_sent_total')).toBeGreaterThanOrEqual(3 * all)
  expect(grown('coweave_received_bytes_total')).toBeGreaterThan(all * 10)
  expect(grown('coweave_sent_bytes_total')).toBeGreaterThan(2 * all * 10)
  const seconds = grown('coweave_acknowledgement_seconds_sum')
  expect(seconds).toBeGreaterThan(0)
  expect(seconds).toBeLessThan(60 * all)
  expect(after['coweave_acknowledgement_seconds_bucket{le="+Inf"}']).toBe(after.coweave_acknowledgement_seconds_count)
  for (const client of clients) client.destroy()
})

test('refusals, closed connections and requests are counted; all metrics are in the guide, all queries find some', async () => {
  const socket = new WebSocket(`${one.url.replace('http', 'ws')}/yjs/notes?token=none`)
  await once(socket, 'close')
  await fetch(`${one.url}/nowhere/${'x'.repeat(9)}`)
  await fetch(`${one.url}/api/documents`)
  const reader = await EventSourceReader.open(`${one.url}/api/me/events`)
  reader.close()
  const route = '/api/me/events'
  const ended = `coweave_http_requests_total{method="GET",route="${route}",status="200"}`
  await expect.poll(async () => (await metricsOf(one))[ended]).toBe(1)
  const metrics = await metricsOf(one)
  expect(metrics).toMatchObject({
    'coweave_refusals_total{code="access/token-invalid"}': 1,
    'coweave_closes_total{code="4401"}': 1,
    'coweave_http_requests_total{method="GET",route="/api/documents",status="401"}': 1,
    'coweave_http_request_seconds_count{route="/api/documents"}': 1,
    [`coweave_http_request_seconds_count{route="${route}"}`]: 1,
  })
  expect(Object.keys(metrics).join()).not.toContain('nowhere')

  const text = await textOf(one)
  const types = [...text.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name ?? '')
  const [, guide = ''] = readFileSync('docs/operations.md', 'utf8').split('## Metrics')
  const [section = ''] = guide.split('\n## ')
  const named = [...section.matchAll(/`((?:coweave|process|nodejs)_\w+)`/g)].map(([, name]) => name ?? '')
  expect(named.filter((name) => name.startsWith('coweave_')).sort()).toEqual(
    types.filter((name) => name.startsWith('coweave_')).sort(),
  )
  expect(named.filter((name) => !types.includes(name))).toEqual([])

  const samples = new Set(text.split('\n').map((line) => line.replace(/[{ ].*/, '')))
  const queries = queriesOf(JSON.parse(readFileSync('docs/grafana.json', 'utf8')))
  expect(queries.length).toBeGreaterThan(10)
  for (const query of queries) {
    const names = metricsIn(query)
    expect(names.length, query).toBeGreaterThan(0)
    for (const name of names) expect(samples, query).toContain(name)
  }
})

test('a collector gets spans of requests, loads, commits and the relay; requests have ids', async () => {
  const traceId = 'a'.repeat(32)
  const answer = await fetch(`${one.url}/api/documents`, {
    headers: { 'X-Request-Id': 'from-a-proxy', traceparent: `00-${traceId}-${'b'.repeat(16)}-01` },
  })
  expect(answer.headers.get('x-request-id')).toBe('from-a-proxy')
  const other = await fetch(`${one.url}/health/live`, { headers: { 'X-Request-Id': 'a b' } })
  expect(other.headers.get('x-request-id')).toMatch(/^[\da-f-]{36}$/)
  expect(await one.stop()).toBe(0)
  const line = one
    .output()
    .split('\n')
    .find((text) => text.includes('"request":"from-a-proxy"'))
  expect(JSON.parse(line ?? '{}')).toMatchObject({ request: 'from-a-proxy', route: '/api/documents', status: 401 })

  const { spans, services } = collector
  expect(services).toEqual(new Set(['coweave']))
  const named = (name: string) => spans.filter((span) => span.name === name)
  expect(named('GET /api/documents').find((span) => span.traceId === traceId)?.attributes).toMatchObject({
    'http.response.status_code': 401,
    'coweave.request': 'from-a-proxy',
  })
  expect(named('load document')).toMatchObject([{ attributes: { 'coweave.document': 'notes/a' } }])
  const [first, ...more] = named('commit')
  expect([first, ...more].map((span) => span?.attributes['coweave.updates'])).toEqual([1, 1])
  // Redis goes away with the second one.
  expect(named('publish to other instances')[0]).toMatchObject({ parentSpanId: first?.spanId })
  expect(spans.filter(({ name }) => name.includes('/health') || name.includes('/metrics'))).toEqual([])
})

/** The queries of all panels of a dashboard; each panel has some. */
function queriesOf(dashboard: unknown): string[] {
  const target = z.object({ expr: z.string() })
  const panel = z.object({ title: z.string(), targets: z.array(target).min(1) })
  const { panels } = z.object({ panels: z.array(panel) }).parse(dashboard)
  return panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))
}

/** What is neither a function nor a label in PromQL. */
function metricsIn(query: string): string[] {
  const bare = query
    .replace(/\{[^}]*\}|\[[^\]]*\]|"[^"]*"/g, ' ')
    .replace(/\b(by|without|on|ignoring)\s*\([^)]*\)/g, ' ')
  return [...bare.matchAll(/\b[a-zA-Z_:][\w:]*\b(?!\s*\()/g)].map(([name]) => name)
}
