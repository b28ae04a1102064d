import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type * as Y from 'yjs'
import { addNotifications, notificationsIn, notificationsOf } from '../../model/inbox.ts'
import { inboxOf } from '../../model/rooms.ts'
import { type Client, openClient } from '../support/clients.ts'
import { ask, notify, openInbox, titlesIn, whenTitles } from '../support/inbox.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'

let server: TestServer
/** Ann's inbox, open while everything is tried. */
let witness: Client

beforeAll(async () => {
  server = await startServer()
  await notify(server, { to: ['ann', 'mallory'], title: 'untouched', key: 'first' })
  witness = await openInbox(server, 'ann')
  await whenTitles(witness, 'untouched')
})
afterAll(async () => {
  witness.destroy()
  await server.stop()
})

/** Nothing of what was tried is in Ann's inbox, and it still works. */
async function expectUntouched(): Promise<void> {
  const before = titlesIn(witness)
  const { body } = await notify(server, { to: ['ann'], title: `witness ${before.length}` })
  expect(body.added).toBe(1)
  await whenTitles(witness, ...before, `witness ${before.length}`)
  const stored = await openInbox(server, 'ann')
  expect(notificationsIn(stored.ydoc)).toEqual(notificationsIn(witness.ydoc))
  stored.destroy()
  expect(before.filter((title) => !/^(untouched|witness \d+)$/.test(title))).toEqual([])
}

describe('[promise 3] an inbox is its owner’s', () => {
  test.each([
    ['with a grant for everything', { '**': 'moderate' }],
    ['with a grant for that name', { 'inbox/ann': 'moderate' }],
  ])('nobody else opens it %s', async (_, access) => {
    const mallory = openClient(server, inboxOf('ann'), { token: tokenFor('mallory', { access }) })
    const reason = new Promise<string>((resolve) =>
      mallory.provider.on('authenticationFailed', (failure: { reason: string }) => resolve(failure.reason)),
    )
    expect(await reason).toBe('access/no-grant')
    mallory.destroy()
    await expectUntouched()
  })

  test('nor over HTTP, where the page is one’s own, and others’ ids are unknown', async () => {
    const [own] = notificationsIn(witness.ydoc).slice(-1)
    expect(own?.title).toMatch(/^witness/)
    const { body } = await ask(server, '/api/inbox?user=ann', { user: 'mallory', admin: true })
    expect(body.notifications?.map(({ title }) => title)).toEqual(['untouched'])
    const answer = await ask(server, `/api/inbox?before=${own?.id}`, { user: 'mallory' })
    expect([answer.status, answer.body.code]).toEqual([404, 'inbox/no-such-notification'])
    const sync = await fetch(`${server.url}/api/documents/${encodeURIComponent(inboxOf('ann'))}/sync`, {
      headers: { authorization: `Bearer ${tokenFor('mallory')}` },
    })
    expect(sync.status).toBe(403)
  })

  test.each<[string, (ydoc: Y.Doc) => void]>([
    [
      'adds a notification',
      (ydoc) => addNotifications(ydoc, [{ id: 'x', kind: 'k', title: 'forged', body: '', link: '', at: 1 }]),
    ],
    ['changes a title', (ydoc) => notificationsOf(ydoc).get(0).set('title', 'forged')],
    ['adds a field', (ydoc) => notificationsOf(ydoc).get(0).set('__proto__', { polluted: true })],
    ['writes another root type', (ydoc) => ydoc.getMap('constructor').set('x', 'y'.repeat(1_000_000))],
  ])('its owner who %s is refused, and loses only that', async (_, attack) => {
    const mallory = await openInbox(server, 'mallory')
    attack(mallory.ydoc)
    const reason = await new Promise<number>((resolve) =>
      mallory.socket.on('close', ({ event }: { event: { code: number } }) => resolve(event.code)),
    )
    mallory.destroy()
    expect(reason).toBe(4403)
    const again = await openInbox(server, 'mallory')
    expect(titlesIn(again)).toEqual(['untouched'])
    expect([...again.ydoc.share.keys()]).not.toContain('constructor')
    again.destroy()
    await expectUntouched()
  })
})

describe('who notifies', () => {
  const body = { to: ['ann'], kind: 'k', title: 'forged' }

  test('must have an admin’s token', async () => {
    const { status, body: answer } = await ask(server, '/api/notifications', { user: 'mallory', body })
    expect([status, answer.code]).toEqual([403, 'access/not-admin'])
    const nobody = await fetch(`${server.url}/api/notifications`, { method: 'POST', body: '{}' })
    expect([401, 415]).toContain(nobody.status)
    await expectUntouched()
  })

  test.each<[string, Readonly<Record<string, unknown>>]>([
    ['10,001 recipients', { to: Array.from({ length: 10_001 }, (_, index) => `u${index}`) }],
    ['no recipient', { to: [] }],
    ['an empty name', { to: [''] }],
    ['a name that is too long', { to: ['é'.repeat(100)] }],
    ['half a surrogate pair as a name', { to: ['\ud800'] }],
    ['dots as a name', { to: ['..'] }],
    ['a body of 1 MB', { body: 'x'.repeat(1_000_000) }],
    ['a link that runs', { link: 'javascript:alert(1)' }],
    ['a link that leads elsewhere', { link: '//evil.example' }],
    ['a time of its own', { at: 1 }],
    ['a number as its title', { title: 7 }],
    ['a key of another kind', { key: { __proto__: null } }],
  ])('can not with %s', async (_, wrong) => {
    const answer = await ask(server, '/api/notifications', { admin: true, body: { ...body, ...wrong } })
    expect(answer.status).toBe(400)
    await expectUntouched()
  })

  test.each(['__proto__', 'constructor', 'toString', 'a/b', 'ann@1', 'ü ,%'])(
    '%s is a name as any other',
    async (user) => {
      expect((await notify(server, { to: [user], title: 'mine', key: '__proto__' })).body.added).toBe(1)
      expect((await notify(server, { to: [user], title: 'mine', key: '__proto__' })).body.known).toBe(1)
      const inbox = await openInbox(server, user)
      expect(titlesIn(inbox)).toEqual(['mine'])
      inbox.destroy()
    },
  )
})
