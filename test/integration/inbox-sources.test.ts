import Database from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type * as Y from 'yjs'
import { callsIn } from '../../model/calls.ts'
import { type Draft, deleteMessage, messagesOf, newMessageId, readsOf, sendMessage } from '../../model/chat.ts'
import { type Notification, notificationsIn } from '../../model/inbox.ts'
import { directChat, segmentName } from '../../model/rooms.ts'
import { act, callFrom, callOf, whenCall } from '../support/calls.ts'
import { ChatPeer } from '../support/chat-peer.ts'
import { whenDocument } from '../support/clients.ts'
import { ask, openInbox } from '../support/inbox.ts'
import { Instances } from '../support/instances.ts'
import { startServer, type TestServer, temporaryFolder } from '../support/server.ts'

let server: TestServer
let rooms = 0

beforeAll(async () => {
  server = await startServer({ environment: { CHAT_SEGMENT_MESSAGES: '3', CALL_RING_TIME: '1000' } })
})
afterAll(() => server.stop())

/** The name of a document that has a chat of its own. */
function newDocument(): string {
  rooms += 1
  return `notes/plan ${rooms}`
}

async function join(user: string, name: string, on: Pick<TestServer, 'port'> = server): Promise<ChatPeer> {
  const peer = await ChatPeer.open(on, name, { user, understandsRefusals: true })
  onTestFinished(() => peer.destroy())
  return peer
}

/** Does what makes somebody belong to the chat beside `document`, and leaves. */
async function reads(user: string, document: string, on: Pick<TestServer, 'port'> = server): Promise<void> {
  const peer = await join(user, `chat/${document}`, on)
  peer.edit((head) => readsOf(head).set(user, 1))
  await peer.answered(1)
  peer.destroy()
}

/** Sends a message into a part of a room and waits for its place in it. */
async function send(user: string, segment: string, draft: Draft, on?: Pick<TestServer, 'port'>): Promise<string> {
  const peer = await join(user, segment, on)
  const id = write(peer, user, draft)
  await whenStamped(peer, id)
  peer.destroy()
  return id
}

function write(peer: ChatPeer, user: string, draft: Draft, id = newMessageId()): string {
  peer.edit((ydoc) => sendMessage(ydoc, user, draft, id))
  return id
}

function find({ ydoc }: { readonly ydoc: Y.Doc }, id: string): Y.Map<unknown> | undefined {
  return messagesOf(ydoc)
    .toArray()
    .find((message) => message.get('id') === id)
}

async function whenStamped(peer: ChatPeer, id: string): Promise<void> {
  await peer.until(() => find(peer, id)?.has('seq') === true)
}

function areStamped({ ydoc }: ChatPeer): boolean {
  return messagesOf(ydoc)
    .toArray()
    .every((message) => message.has('seq'))
}

/** What has come into somebody's inbox until now, read anew. */
async function inboxOf(user: string, on: Pick<TestServer, 'url' | 'socketUrl'> = server): Promise<Notification[]> {
  const client = await openInbox(on, user)
  const found = notificationsIn(client.ydoc)
  client.destroy()
  return found
}

/** Two servers on one database. */
async function startTwo(): Promise<readonly [TestServer, TestServer]> {
  const databaseUrl = `sqlite:${temporaryFolder()}/coweave.db`
  const instances = await Instances.start(2, { databaseUrl, environment: { CALL_RING_TIME: '1000' } })
  onTestFinished(() => instances.close())
  const [one = expect.unreachable(), two = expect.unreachable()] = instances.all.map(({ server }) => server)
  return [one, two]
}

/** A user whom no other test knows. */
function newUser(name: string): string {
  rooms += 1
  return `${name}-${rooms}`
}

describe('a mention', () => {
  test('is in the inbox of who is away, once, and at once with who is there', async () => {
    const [ann, bob, cyd] = [newUser('ann'), newUser('bob'), newUser('cyd')]
    const document = newDocument()
    await reads(bob, document)
    await reads(cyd, document)
    const online = await openInbox(server, cyd)
    onTestFinished(() => online.destroy())
    const id = await send(ann, segmentName(`chat/${document}`, 1), { text: 'look, @bob', mentions: [bob, ann, cyd] })
    await whenDocument(online.ydoc, () => notificationsIn(online.ydoc).length === 1)
    const [notification, ...more] = await inboxOf(bob)
    expect(notification).toEqual({
      id: expect.any(String),
      kind: 'mention',
      title: `You were mentioned in ${document}`,
      body: 'look, @bob',
      link: `/d/notes/${encodeURIComponent(document.slice('notes/'.length))}#message=${id}`,
      from: ann,
      document,
      at: expect.any(Number),
    })
    expect(more).toEqual([])
    expect(notificationsIn(online.ydoc)).toEqual([notification])
    expect(await inboxOf(ann)).toEqual([])
    const { body } = await ask(server, '/api/inbox', { user: bob })
    expect(body.notifications).toEqual([notification])
  })

  test('reaches only who belongs to the room: by reading, by writing in it or in the document, as a member, or being there', async () => {
    const [ann, bob, cyd, dan] = [newUser('ann'), newUser('bob'), newUser('cyd'), newUser('dan')]
    const [eve, fay] = [newUser('eve'), newUser('fay')]
    const document = newDocument()
    const segment = segmentName(`chat/${document}`, 1)
    await reads(bob, document)
    await send(cyd, segment, { text: 'hello' })
    const writer = await join(dan, document)
    writer.edit((ydoc) => ydoc.getText('text').insert(0, 'a plan'))
    await writer.answered(1)
    await join(fay, document)
    // Who belongs to another room is a stranger here.
    await reads(eve, newDocument())
    await send(ann, segment, { text: 'all of you', mentions: [bob, cyd, dan, eve, fay, 'constructor'] })
    for (const user of [bob, cyd, dan, fay]) expect(await inboxOf(user)).toHaveLength(1)
    expect(await inboxOf(eve)).toEqual([])
    expect(await inboxOf('constructor')).toEqual([])

    const direct = segmentName(directChat(ann, eve), 1)
    await send(ann, direct, { text: 'just us', mentions: [eve, bob] })
    expect(await inboxOf(eve)).toMatchObject([{ title: 'You were mentioned', body: 'just us', from: ann }])
    expect(await inboxOf(bob)).toHaveLength(1)
  })

  test('in a message that was deleted before it was stamped is none; the one of a program is', async () => {
    const [ann, bob] = [newUser('ann'), newUser('bob')]
    const document = newDocument()
    const room = `chat/${document}`
    await reads(bob, document)
    const peer = await join(ann, segmentName(room, 1))
    const id = newMessageId()
    peer.edit((ydoc) =>
      ydoc.transact(() => {
        sendMessage(ydoc, ann, { text: 'never mind, @bob', mentions: [bob] }, id)
        const message = find(peer, id)
        if (message !== undefined) deleteMessage(message)
      }),
    )
    await whenStamped(peer, id)
    expect(await inboxOf(bob)).toEqual([])
    const text = '😀'.repeat(250)
    const body = { text, mentions: [bob] }
    expect((await ask(server, `/api/rooms/${encodeURIComponent(room)}/messages`, { user: ann, body })).status).toBe(201)
    expect(await inboxOf(bob)).toMatchObject([{ kind: 'mention', body: `${'😀'.repeat(199)}…` }])
  })
})

test('a document that is damaged keeps no message of the chat beside it waiting', async () => {
  const damaged = await startServer()
  onTestFinished(async () => void (await damaged.kill()))
  const writer = await join('bob', 'notes', damaged)
  writer.edit((ydoc) => ydoc.getText('text').insert(0, 'a plan'))
  await writer.answered(1)
  await damaged.stop()
  const database = new Database(`${damaged.folder}/coweave.db`)
  database.prepare('UPDATE clients SET checksum = checksum + 1').run()
  database.close()
  const restarted = await damaged.restart()
  onTestFinished(async () => void (await restarted.kill()))
  await reads('cyd', 'notes', restarted)
  await send('ann', segmentName('chat/notes', 1), { text: 'hello', mentions: ['bob', 'cyd'] }, restarted)
  expect(await inboxOf('cyd', restarted)).toHaveLength(1)
  expect(await inboxOf('bob', restarted)).toEqual([])
  expect(restarted.output()).toContain('storage/corrupt')
})

describe('an answer', () => {
  test('notifies the author, also of a message in an earlier part of the room, and nobody twice', async () => {
    const [ann, bob] = [newUser('ann'), newUser('bob')]
    const room = `chat/${newDocument()}`
    const first = await send(ann, segmentName(room, 1), { text: 'one' })
    await send(ann, segmentName(room, 1), { text: 'to myself', replyTo: first })
    await send(bob, segmentName(room, 1), { text: 'to nobody', replyTo: newMessageId() })
    expect(await inboxOf(ann)).toEqual([])
    await (await join(bob, segmentName(room, 2))).sync()
    const answer = await send(bob, segmentName(room, 2), { text: 'two', replyTo: first })
    expect(await inboxOf(ann)).toMatchObject([{ kind: 'reply', body: 'two', from: bob }])
    await send(bob, segmentName(room, 2), { text: 'three', replyTo: first, mentions: [ann] })
    expect((await inboxOf(ann)).map(({ kind }) => kind)).toEqual(['reply', 'mention'])
    await send(ann, segmentName(room, 2), { text: 'four', replyTo: answer })
    expect(await inboxOf(bob)).toMatchObject([{ kind: 'reply', body: 'four', from: ann }])
  })
})

describe('a missed call', () => {
  test('notifies whom it rang for: who did not answer or decline, and belongs to the room', async () => {
    const [ann, bob, cyd, dan] = [newUser('ann'), newUser('bob'), newUser('cyd'), newUser('dan')]
    const document = newDocument()
    await reads(bob, document)
    const caller = await join(ann, `chat/${document}`)
    const other = await join(cyd, `chat/${document}`)
    const id = callFrom(caller, ann, [bob, cyd, dan])
    await whenCall(other, id, 'ringing')
    act(other, id, 'decline', cyd)
    await caller.until(() => JSON.stringify(callsIn(caller.ydoc)).includes('declined'))
    act(caller, id, 'cancel', ann)
    await whenCall(caller, id, 'cancelled')
    expect(await inboxOf(bob)).toEqual([
      {
        id: expect.any(String),
        kind: 'missed-call',
        title: `Missed video call in ${document}`,
        body: '',
        link: `/d/notes/${encodeURIComponent(document.slice('notes/'.length))}#message=`,
        from: ann,
        document,
        at: expect.any(Number),
      },
    ])
    for (const user of [ann, cyd, dan]) expect(await inboxOf(user)).toEqual([])
    let brief = ''
    caller.edit((head) =>
      head.transact(() => {
        brief = callFrom({ edit: (edit) => edit(head) }, ann, [bob])
        act({ edit: (edit) => edit(head) }, brief, 'cancel', ann)
      }),
    )
    await whenCall(caller, brief, 'cancelled')
    expect(await inboxOf(bob)).toHaveLength(2)
  })

  test('notifies who missed a call that others took, once, and who had the room open', async () => {
    const [ann, bob, cyd] = [newUser('ann'), newUser('bob'), newUser('cyd')]
    const room = `chat/${newDocument()}`
    const [caller, taker] = [await join(ann, room), await join(bob, room)]
    await join(cyd, room)
    const id = callFrom(caller, ann, [bob, cyd])
    await whenCall(taker, id, 'ringing')
    act(taker, id, 'answer', bob)
    await whenCall(caller, id, 'answered')
    await caller.until(() => JSON.stringify(callsIn(caller.ydoc)).includes('missed'))
    act(caller, id, 'end', ann)
    await whenCall(caller, id, 'ended')
    expect(await inboxOf(cyd)).toMatchObject([{ kind: 'missed-call', from: ann }])
    for (const user of [ann, bob]) expect(await inboxOf(user)).toEqual([])
  })
})

describe('[promise 1] notifications and what they are about', () => {
  test('are stored together: after crashes there is one for each message that has a place, and for the call', async () => {
    let crashing = await startServer({ environment: { CALL_RING_TIME: '1000' } })
    onTestFinished(async () => void (await crashing.kill()))
    const [segment, direct] = [segmentName('chat/notes', 1), directChat('ann', 'bob')]
    await reads('bob', 'notes', crashing)
    const caller = await join('ann', direct, crashing)
    const call = callFrom(caller, 'ann', ['bob'])
    await whenCall(caller, call, 'ringing')
    const ids: string[] = []
    for (let round = 0; round < 2; round += 1) {
      const peer = await join('ann', segment, crashing)
      for (let index = 0; index < 20; index += 1)
        ids.push(write(peer, 'ann', { text: `@bob ${ids.length}`, mentions: ['bob'] }))
      // Once in the middle of it, and once when the last one has its place.
      const awaited = ids.at(round === 0 ? -10 : -1) ?? ''
      await whenStamped(peer, awaited)
      await crashing.kill()
      crashing = await crashing.restart()
      await whenCall(await join('ann', direct, crashing), call, 'missed')
    }
    const peer = await join('ann', segment, crashing)
    await peer.until(() => areStamped(peer))
    const stored = messagesOf(peer.ydoc).map((message) => String(message.get('text')))
    expect(stored.length).toBeGreaterThan(20)
    const found = Map.groupBy(await inboxOf('bob', crashing), ({ kind }) => kind)
    expect(
      found
        .get('mention')
        ?.map(({ body }) => body)
        .toSorted(),
    ).toEqual(stored.toSorted())
    expect(found.get('missed-call')).toMatchObject([{ title: 'Missed video call', from: 'ann' }])
    expect(found.size).toBe(2)
  })

  test('[promise 4] come once where two instances stamp the same room, and see the same call', async () => {
    const [one, two] = await startTwo()
    const users = ['ann', 'bob'] as const
    const heads = [await join('ann', directChat('ann', 'bob'), one), await join('bob', directChat('ann', 'bob'), two)]
    const texts: string[] = []
    for (let round = 0; round < 3; round += 1) {
      // Nobody has stamped there: both do.
      const room = `chat/notes ${round}`
      await reads('cyd', room.slice('chat/'.length), one)
      const peers = [await join('ann', segmentName(room, 1), one), await join('bob', segmentName(room, 1), two)]
      peers.forEach((peer, nth) => {
        for (let index = 0; index < 5; index += 1) {
          const text = `${users[nth]} ${round} ${index}`
          texts.push(text)
          write(peer, users[nth] ?? '', { text, mentions: ['cyd'] })
        }
      })
      for (const peer of peers) await peer.until(() => messagesOf(peer.ydoc).length === 10 && areStamped(peer))
    }
    expect((await inboxOf('cyd', two)).map(({ body }) => body).toSorted()).toEqual(texts.toSorted())
    const calls = heads.slice(0, 1).flatMap((head) => [1, 2, 3].map(() => callFrom(head, 'ann', ['bob'])))
    // At each change an instance looks at what time has made of the calls.
    for (let mark = 1; !heads.every((head) => calls.every((id) => callOf(head, id)?.state === 'missed')); mark += 1) {
      heads.forEach((head, nth) => {
        head.edit((ydoc) => readsOf(ydoc).set(users[nth] ?? '', mark))
      })
      for (const head of heads) await head.sync()
    }
    for (const on of [one, two]) expect(await inboxOf('bob', on)).toHaveLength(calls.length)
  })
})
