import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { payloadOf } from '../../server/push/payload.ts'
import { launchChromium } from './chromium.ts'

const guide = readFileSync(new URL('../../docs/push.md', import.meta.url), 'utf8')
const [, worker = ''] = /```js title=push-worker\.js\n([\s\S]*?)```/.exec(guide) ?? []

test('the guide’s service worker shows what is pushed', async () => {
  const server = createServer(({ url }, response) => {
    const isWorker = url === '/push-worker.js'
    response.writeHead(200, { 'content-type': isWorker ? 'text/javascript' : 'text/html' })
    response.end(isWorker ? worker : '<!doctype html><title>A product</title>')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const browser = await launchChromium()
  onTestFinished(async () => {
    await browser.close()
    server.closeAllConnections()
    server.close()
  })
  const context = await browser.newContext({ permissions: ['notifications'] })
  const page = await context.newPage()
  await page.goto(origin)
  const tools = await context.newCDPSession(page)
  const registered = new Promise<string>((resolve) => {
    tools.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
      for (const { registrationId } of registrations) resolve(registrationId)
    })
  })
  await tools.send('ServiceWorker.enable')
  await page.evaluate(async () => {
    await navigator.serviceWorker.register('/push-worker.js')
    await navigator.serviceWorker.ready
  })
  const notification = { id: 'id-1', kind: 'order', title: 'On its way', body: 'Today', link: '/orders/7', at: 5 }
  const data = payloadOf(JSON.stringify(notification)) ?? ''
  const push = { origin: `${origin}/`, registrationId: await registered, data }
  const shown = () =>
    page.evaluate(async () => {
      const registration = await navigator.serviceWorker.ready
      return (await registration.getNotifications()).map(({ title, body, tag, data }) => ({ title, body, tag, data }))
    })
  for (const _time of [1, 2]) await tools.send('ServiceWorker.deliverPushMessage', push)
  await expect
    .poll(shown, { timeout: 20_000 })
    .toEqual([{ title: 'On its way', body: 'Today', tag: 'id-1', data: { link: '/orders/7' } }])
})
