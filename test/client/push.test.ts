import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { newVapidKeys } from '../../server/push/vapid.ts'
import { closeSessions, openSession } from '../support/client-session.ts'
import { notify } from '../support/inbox.ts'
import { DeviceWithPush } from '../support/push-device.ts'
import { TestPushService } from '../support/push-service.ts'
import { startServer, type TestServer } from '../support/server.ts'

const { publicKey, privateKey } = newVapidKeys()

let service: TestPushService
let server: TestServer
beforeAll(async () => {
  service = await TestPushService.start()
  server = await startServer({
    environment: {
      VAPID_PUBLIC_KEY: publicKey,
      VAPID_PRIVATE_KEY: privateKey,
      VAPID_SUBJECT: 'https://example.org',
      PUSH_HOSTS: service.origin,
      PUSH_DELAY: '200',
    },
  })
})
afterAll(async () => {
  expect(await server.stop()).toBe(0)
  service.close()
})
afterEach(() => {
  closeSessions()
  vi.unstubAllGlobals()
})

function deviceWith(permission: NotificationPermission): DeviceWithPush {
  const device = new DeviceWithPush(service)
  vi.stubGlobal('Notification', { permission, requestPermission: async () => permission })
  return device
}

test('a device that is enabled gets what its user is notified of, until it is disabled', async () => {
  const { registration, subscribed } = deviceWith('granted')
  const { push } = openSession(server, { as: 'ann' })
  expect(await push.state(registration)).toBe('off')
  await push.enable(registration)
  await push.enable(registration)
  expect(await push.state(registration)).toBe('on')
  expect(subscribed).toHaveLength(1)
  await notify(server, { to: ['ann'], title: 'hello' })
  await subscribed[0]?.whenTitles('hello')
  await push.disable(registration)
  await push.disable(registration)
  expect(await push.state(registration)).toBe('off')
  await push.enable(registration)
  await notify(server, { to: ['ann'], title: 'again' })
  await subscribed[1]?.whenTitles('again')
  expect(subscribed[0]?.titles).toEqual(['hello'])
})

test('a device that is enabled for another user gets nothing more of the first one', async () => {
  const { registration, subscribed } = deviceWith('granted')
  for (const as of ['first', 'second']) await openSession(server, { as }).push.enable(registration)
  for (const title of ['one', 'two']) await notify(server, { to: ['first'], title })
  await notify(server, { to: ['second'], title: 'three' })
  await subscribed[0]?.whenTitles('three')
  expect(subscribed).toHaveLength(1)
})

test('a subscription of other keys is made anew', async () => {
  const { registration, subscribed } = deviceWith('granted')
  const applicationServerKey = Buffer.from(newVapidKeys().publicKey, 'base64url')
  await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey })
  await openSession(server, { as: 'moved' }).push.enable(registration)
  await notify(server, { to: ['moved'], title: 'hello' })
  await subscribed[1]?.whenTitles('hello')
})

test('where it can not be enabled, the code says why', async () => {
  const session = openSession(server, { as: 'bob' })
  const { registration, subscribed } = deviceWith('denied')
  await expect(session.push.enable(registration)).rejects.toMatchObject({ code: 'push/denied' })
  expect(await session.push.state(registration)).toBe('denied')
  vi.unstubAllGlobals()
  await expect(session.push.enable(registration)).rejects.toMatchObject({ code: 'push/unsupported' })
  expect(await session.push.state(registration)).toBe('unsupported')
  await session.push.disable(registration)
  const off = await startServer()
  try {
    const device = deviceWith('granted')
    const { push } = openSession(off, { as: 'bob' })
    await expect(push.enable(device.registration)).rejects.toMatchObject({ code: 'push/off' })
    expect(device.subscribed).toEqual([])
  } finally {
    await off.stop()
  }
  expect(subscribed).toEqual([])
})
