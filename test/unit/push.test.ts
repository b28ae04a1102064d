import { describe, expect, test } from 'vitest'
import { readConfig, vapidOf } from '../../server/config.ts'
import { payloadOf } from '../../server/push/payload.ts'
import { isPushEndpoint, PUBLIC_PUSH_HOSTS } from '../../server/push/push-hosts.ts'
import { isPair, isPublicKey, newVapidKeys } from '../../server/push/vapid.ts'
import { runWith } from '../support/run-command.ts'

const subject = 'mailto:operator@example.org'

describe('the settings of pushing', () => {
  const { publicKey, privateKey } = newVapidKeys()
  const whole = { VAPID_PUBLIC_KEY: publicKey, VAPID_PRIVATE_KEY: privateKey, VAPID_SUBJECT: subject }

  function problemOf(environment: Readonly<Record<string, string>>): string {
    try {
      readConfig(environment)
    } catch (error) {
      return error instanceof Error ? error.message : ''
    }
    return ''
  }

  test('are all there, or none', () => {
    expect(vapidOf(readConfig({}))).toBeUndefined()
    expect(vapidOf(readConfig(whole))).toEqual({ publicKey, privateKey, subject })
    for (const name of Object.keys(whole)) {
      expect(problemOf({ ...whole, [name]: '' })).toMatch(new RegExp(`^wrong settings:\\n  ${name}=.*belong together$`))
    }
  })

  test('are keys that belong together, and never shown', () => {
    const other = newVapidKeys()
    for (const wrong of [other.privateKey, 'abc', Buffer.alloc(32).toString('base64url'), publicKey]) {
      const problem = problemOf({ ...whole, VAPID_PRIVATE_KEY: wrong })
      expect(problem).toMatch(/VAPID_PRIVATE_KEY=\(secret\): must be the private key of VAPID_PUBLIC_KEY/)
    }
    for (const wrong of [privateKey, 'abc', `${publicKey}=`, Buffer.alloc(65, 4).toString('base64url')]) {
      expect(problemOf({ ...whole, VAPID_PUBLIC_KEY: wrong })).toMatch(
        /VAPID_PUBLIC_KEY=.*must be a public key of P-256/,
      )
    }
    for (const wrong of ['operator@example.org', 'mailto:', 'http://example.org']) {
      expect(problemOf({ ...whole, VAPID_SUBJECT: wrong })).toMatch(/VAPID_SUBJECT=.*must be mailto:<address> or https/)
    }
  })

  test('name hosts, and addresses only for development', () => {
    const hosts = ['push.example.org', '*.example.org', 'http://127.0.0.1:8080', 'http://localhost:1', 'http://[::1]:1']
    expect(readConfig({ PUSH_HOSTS: hosts.join(', ') }).PUSH_HOSTS).toEqual(hosts)
    for (const wrong of [
      '*',
      '*.',
      '10.0.0.1',
      'https://example.org',
      'http://10.0.0.1',
      'localhost',
      'a.b/c',
      'a*.b.c',
    ]) {
      expect(problemOf({ PUSH_HOSTS: wrong })).toMatch(/PUSH_HOSTS=.*must be <host>/)
    }
  })

  test('are made by a command', async () => {
    const { exitCode, output } = await runWith({}, 'vapid')
    const made = Object.fromEntries(
      output
        .trim()
        .split('\n')
        .map((line) => line.split('=')),
    )
    expect(exitCode).toBe(0)
    expect(vapidOf(readConfig({ ...made, VAPID_SUBJECT: subject }))).toBeDefined()
  })

  test('made keys are whole each time', () => {
    for (let round = 0; round < 300; round++) {
      const pair = newVapidKeys()
      expect([isPublicKey(pair.publicKey), isPair(pair), pair.privateKey.length]).toEqual([true, true, 43])
    }
  })
})

test('endpoints are those of push services, over TLS', () => {
  const taken = [
    'https://fcm.googleapis.com/fcm/send/abc:def',
    'https://updates.push.services.mozilla.com/wpush/v2/abc',
    'https://web.push.apple.com/abc',
    'https://db5p.notify.windows.com/w/?token=abc',
  ]
  const refused = [
    'http://fcm.googleapis.com/fcm/send/abc',
    'https://fcm.googleapis.com:8443/fcm/send/abc',
    'https://fcm.googleapis.com.example.org/abc',
    'https://fcm.googleapis.com@example.org/abc',
    'https://user@fcm.googleapis.com/abc',
    'https://evil-notify.windows.com/abc',
    'https://push.apple.com.example.org/abc',
    'https://127.0.0.1/abc',
    'http://127.0.0.1:8080/abc',
    'fcm.googleapis.com',
  ]
  for (const endpoint of taken)
    expect([endpoint, isPushEndpoint(endpoint, PUBLIC_PUSH_HOSTS)]).toEqual([endpoint, true])
  for (const endpoint of refused) {
    expect([endpoint, isPushEndpoint(endpoint, PUBLIC_PUSH_HOSTS)]).toEqual([endpoint, false])
  }
})

describe('what is pushed', () => {
  const notification = { id: 'id-1', kind: 'mention', title: 'Ann', body: 'Look!', link: '/d/plan', from: 'ann', at: 5 }

  test('is the notification', () => {
    expect(JSON.parse(payloadOf(JSON.stringify(notification)) ?? '')).toEqual(notification)
  })

  test('is nothing of one that was dismissed', () => {
    expect(payloadOf(JSON.stringify({ id: 'id-1', dismissedAt: 7 }))).toBeUndefined()
  })

  test('is at most 3 KB, and as much of the body as fits', () => {
    for (const character of ['x', 'ü', '😀', '"', '\u0000']) {
      const body = character.repeat(2_000 / character.length)
      const link = `/${'ü'.repeat(600)}`
      const payload = payloadOf(JSON.stringify({ ...notification, title: '"'.repeat(200), body, link })) ?? ''
      expect(Buffer.byteLength(payload)).toBeLessThanOrEqual(3 * 1024)
      expect(Buffer.byteLength(payload)).toBeGreaterThan(3 * 1024 - 8)
      expect(JSON.parse(payload)).toMatchObject({
        link,
        body: `${character.repeat([...JSON.parse(payload).body].length - 1)}…`,
      })
    }
  })
})
