import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import packageJson from '../../package.json' with { type: 'json' }
import { launchChromium } from '../browser/chromium.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer

beforeAll(async () => {
  server = await startServer({ demo: true })
})
afterAll(() => server.kill())

const openApi = z.object({
  openapi: z.literal('3.1.0'),
  paths: z.record(z.string(), z.record(z.string(), z.record(z.string(), z.unknown()))),
})

test('the description is valid OpenAPI 3.1', async () => {
  const result = await new Validator().validate(await (await fetch(`${server.url}/api/openapi.json`)).json())
  expect(result).toEqual({ valid: true })
})

test('the version is that of the package', async () => {
  const { info } = z
    .object({ info: z.object({ version: z.string() }) })
    .parse(await (await fetch(`${server.url}/api/openapi.json`)).json())
  expect(info.version).toBe(packageJson.version)
})

test('each route is described, and there', async () => {
  const { paths } = openApi.parse(await (await fetch(`${server.url}/api/openapi.json`)).json())
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, operation })),
  )
  expect(operations.filter(({ operation }) => operation['x-undescribed']).map(({ name }) => name)).toEqual([])
  expect(operations.map(({ name }) => name).toSorted()).toEqual(ROUTES)
})

/** All of the server's, so that a route that isn't registered any more is missed. */
const ROUTES = [
  'DELETE /api/documents/{name}',
  'DELETE /api/documents/{name}/presence',
  'DELETE /api/documents/{name}/versions/{id}',
  'DELETE /api/push/subscriptions',
  'DELETE /api/sync/{connection}',
  'DELETE /api/webhooks/{id}',
  'GET /api/admin/audit',
  'GET /api/admin/documents',
  'GET /api/admin/documents/{name}',
  'GET /api/admin/documents/{name}/parts',
  'GET /api/admin/overview',
  'GET /api/admin/restrictions',
  'GET /api/changes',
  'GET /api/documents',
  'GET /api/documents/{name}',
  'GET /api/documents/{name}/blame',
  'GET /api/documents/{name}/comments',
  'GET /api/documents/{name}/diff',
  'GET /api/documents/{name}/events',
  'GET /api/documents/{name}/history',
  'GET /api/documents/{name}/position',
  'GET /api/documents/{name}/presence',
  'GET /api/documents/{name}/seen',
  'GET /api/documents/{name}/state',
  'GET /api/documents/{name}/sync',
  'GET /api/documents/{name}/versions',
  'GET /api/events',
  'GET /api/ice',
  'GET /api/inbox',
  'GET /api/me/events',
  'GET /api/openapi.json',
  'GET /api/push',
  'GET /api/rooms/{room}/calls',
  'GET /api/rooms/{room}/messages',
  'GET /api/search/documents',
  'GET /api/search/messages',
  'GET /api/sync',
  'GET /api/users/{user}/erasures/{id}',
  'GET /api/webhooks',
  'GET /api/webhooks/{id}/deliveries',
  'GET /health/live',
  'GET /health/ready',
  'GET /metrics',
  'PATCH /api/documents/{name}',
  'PATCH /api/documents/{name}/versions/{id}',
  'POST /api/admin/documents/{name}/compact',
  'POST /api/admin/kick',
  'POST /api/admin/mute',
  'POST /api/admin/reinstate',
  'POST /api/admin/revoke',
  'POST /api/demo/token',
  'POST /api/documents/{name}/comments',
  'POST /api/documents/{name}/copy',
  'POST /api/documents/{name}/reset',
  'POST /api/documents/{name}/restore',
  'POST /api/documents/{name}/seen',
  'POST /api/documents/{name}/sync',
  'POST /api/documents/{name}/undelete',
  'POST /api/documents/{name}/undo',
  'POST /api/documents/{name}/versions',
  'POST /api/notifications',
  'POST /api/rooms/{room}/messages',
  'POST /api/sync/{connection}',
  'POST /api/users/{user}/erase',
  'POST /api/users/{user}/export',
  'POST /api/webhooks',
  'POST /api/webhooks/{id}/deliveries/{delivery}/resend',
  'PUT /api/documents/{name}',
  'PUT /api/documents/{name}/presence',
  'PUT /api/push/subscriptions',
]

test('people read it in a browser, which asks nobody else and is kept to the policy', async () => {
  const browser = await launchChromium()
  try {
    const page = await browser.newPage()
    const problems: string[] = []
    const asked = new Set<string>()
    page.on('console', (message) => message.type() === 'error' && problems.push(message.text()))
    page.on('pageerror', (error) => problems.push(error.message))
    page.on('request', (request) => asked.add(new URL(request.url()).protocol + new URL(request.url()).host))
    await page.goto(`${server.url}/api/docs`)
    await page.getByText('Change a document while others type').waitFor()
    expect(problems).toEqual([])
    expect([...asked].filter((each) => !each.startsWith('data:'))).toEqual([`http:127.0.0.1:${server.port}`])
  } finally {
    await browser.close()
  }
})
