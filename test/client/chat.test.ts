import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Chat, ChatState } from '../../client/api.ts'
import { openChat } from '../../client/chat/open-chat.ts'
import { outboxPrefix } from '../../client/chat/outbox-storage.ts'
import { connect } from '../../client/index.ts'
import { until, whenReady, whenStored } from '../support/chat-state.ts'
import { CountedDocuments } from '../support/counted-documents.ts'
import { fakeStorage } from '../support/fake-storage.ts'
import { startServer, type TestServer, type TokenOptions, tokenFor } from '../support/server.ts'

const PER_SEGMENT = 5

let server: TestServer
let rooms = 0

beforeAll(async () => {
  server = await startServer({ environment: { CHAT_SEGMENT_MESSAGES: String(PER_SEGMENT) } })
})
afterAll(() => server.stop())

interface Person {
  readonly documents: CountedDocuments
  readonly chat: Chat
}

function newRoom(): string {
  rooms += 1
  return `chat/room ${rooms}`
}

async function join(room: string, user: string, token?: TokenOptions): Promise<Person> {
  const documents = await CountedDocuments.of(server, user, token)
  const chat = openChat(documents, room)
  onTestFinished(() => {
    chat.destroy()
    documents.close()
  })
  return { documents, chat }
}

const texts = ({ messages }: ChatState) => messages.map(({ text }) => text)

describe('a room', () => {
  test('opens with the first use, once for all its handles, and closes with the last', async () => {
    const room = newRoom()
    const { documents, chat } = await join(room, 'ann')
    expect(chat.state.get()).toMatchObject({ ready: false, messages: [], status: { kind: 'connecting' } })
    expect(documents.opened).toHaveLength(0)
    await whenReady(chat)
    expect(documents.opened).toEqual([room, `${room}@1`])
    const other = openChat(documents, room)
    expect(other.state.get().ready, 'not used yet').toBe(false)
    await whenReady(other)
    expect(documents.opened).toHaveLength(2)
    chat.destroy()
    chat.destroy()
    expect(documents.count).toBe(2)
    expect(() => chat.send({ text: 'too late' })).toThrow(/given back/)
    other.destroy()
    expect(documents.count).toBe(0)
  })

  test('a name that names no room is refused when it is used', async () => {
    const { chat, documents } = await join('notes/plan', 'ann')
    expect(() => chat.send({ text: 'x' })).toThrow(expect.objectContaining({ code: 'chat/not-a-room' }))
    expect(() => openChat(documents, 'chat/x@2').state.subscribe(() => {})).toThrow(
      expect.objectContaining({ code: 'chat/not-a-room' }),
    )
    expect(documents.opened).toHaveLength(0)
  })

  test('two people see the same: messages, replies, comments, edits, deletions and reactions', async () => {
    const room = newRoom()
    const [ann, ben] = await Promise.all([join(room, 'ann'), join(room, 'ben')])
    await Promise.all([whenReady(ann.chat), whenReady(ben.chat)])
    const first = ann.chat.send({ text: 'hello' })
    expect(ann.chat.state.get().messages, 'at once').toMatchObject([{ id: first, author: 'ann', text: 'hello' }])
    const anchor = { start: { tname: 'text', assoc: 0 } }
    const comment = ann.chat.comment('here?', anchor)
    await whenStored(ben.chat, 2)
    const reply = ben.chat.reply(first, 'hi ann')
    const wrong = ben.chat.send({ text: 'a slip', mentions: ['ann'] })
    ben.chat.react(first, '👍', true)
    await whenStored(ann.chat, 4)
    ann.chat.edit(first, 'hello, all')
    ben.chat.delete(wrong)
    await until(ben.chat, ({ messages }) => messages[0]?.text === 'hello, all')
    const seen = await until(ann.chat, ({ messages }) => messages[3]?.deletedAt !== undefined)
    expect(seen.messages).toMatchObject([
      { id: first, text: 'hello, all', editedAt: expect.any(Number), reactions: { '👍 ben': expect.any(Number) } },
      { id: comment, text: 'here?', anchor },
      { id: reply, author: 'ben', text: 'hi ann', replyTo: first },
      { id: wrong, text: '', mentions: ['ann'] },
    ])
    const bens = await until(ben.chat, ({ messages }) => messages[3]?.deletedAt !== undefined)
    expect(bens.messages).toEqual(seen.messages)
    ben.chat.react(first, '👍', false)
    await until(ann.chat, ({ messages }) => Object.keys(messages[0]?.reactions ?? {}).length === 0)
    const change = () => ann.chat.edit('0196b0a0-0000-7000-8000-000000000000', 'x')
    expect(change).toThrow(expect.objectContaining({ code: 'chat/no-such-message' }))
  })

  test('its state, and each message, is the same object until it changes', async () => {
    const room = newRoom()
    const [ann, ben] = await Promise.all([join(room, 'ann'), join(room, 'ben')])
    await Promise.all([whenReady(ann.chat), whenReady(ben.chat)])
    ann.chat.send({ text: 'one' })
    const before = await whenStored(ann.chat, 1)
    let calls = 0
    ann.chat.state.subscribe(() => {
      calls += 1
    })
    ann.chat.enter()
    ann.chat.dismissRefusedChange()
    expect(ann.chat.state.get()).toBe(before)
    expect(calls).toBe(0)
    await whenStored(ben.chat, 1)
    ben.chat.send({ text: 'two' })
    const after = await whenStored(ann.chat, 2)
    expect(after).not.toBe(before)
    expect(after.messages[0]).toBe(before.messages[0])
    expect(after.reads).toBe(before.reads)
  })

  test('what is new is counted and marked until somebody sees it', async () => {
    const room = newRoom()
    const [ann, ben] = await Promise.all([join(room, 'ann'), join(room, 'ben')])
    await Promise.all([whenReady(ann.chat), whenReady(ben.chat)])
    ann.chat.send({ text: 'one' })
    await whenStored(ben.chat, 1)
    expect(ben.chat.state.get()).toMatchObject({ unread: 1, newAfter: 0, reads: {} })
    ben.chat.markRead()
    expect(ben.chat.state.get()).toMatchObject({ unread: 0, reads: { ben: 1 } })
    await until(ann.chat, ({ reads }) => reads.ben === 1)
    ann.chat.send({ text: 'two' })
    ben.chat.enter()
    await whenStored(ben.chat, 2)
    expect(ben.chat.state.get()).toMatchObject({ unread: 1, newAfter: 1 })
    ben.chat.setSeen(true)
    expect(ben.chat.state.get()).toMatchObject({ unread: 0, newAfter: 1, reads: { ben: 2 } })
    ann.chat.send({ text: 'three' })
    await until(ann.chat, ({ reads }) => reads.ben === 3)
    const other = openChat(ben.documents, room)
    await whenReady(other)
    ben.chat.destroy()
    ann.chat.send({ text: 'four' })
    expect(await whenStored(other, 4), 'the part of the page that saw it is gone').toMatchObject({ unread: 1 })
    other.destroy()
  })

  test('who is typing is seen by the others, until the message is there', async () => {
    const room = newRoom()
    const [ann, ben] = await Promise.all([join(room, 'ann'), join(room, 'ben')])
    await Promise.all([whenReady(ann.chat), whenReady(ben.chat)])
    const typists = (count: number) =>
      new Promise<void>((resolve) => {
        const check = () => {
          if (ben.chat.typists.get().length === count) resolve()
        }
        ben.chat.typists.subscribe(check)
        check()
      })
    ann.chat.typing()
    await typists(1)
    expect(ben.chat.typists.get()).toMatchObject([{ user: 'ann', self: false }])
    expect(ann.chat.typists.get()).toEqual([])
    ann.chat.send({ text: 'done' })
    await typists(0)
  })

  test('earlier parts come when they are asked for', async () => {
    const room = newRoom()
    const ann = await join(room, 'ann')
    await whenReady(ann.chat)
    const count = 4 * PER_SEGMENT
    for (let number = 1; number <= count; number++) ann.chat.send({ text: `${number}` })
    await whenStored(ann.chat, count)
    expect(texts(ann.chat.state.get())).toEqual(Array.from({ length: count }, (_, index) => `${index + 1}`))
    const ben = await join(room, 'ben')
    // Few messages are in each part, so that more than one is opened.
    const late = await until(ben.chat, ({ earlier, messages }) => earlier === 'there' && messages.length > 0)
    expect(late.unread, 'also those that are not loaded').toBe(count)
    for (let loaded = late.messages.length; loaded < count; loaded = ben.chat.state.get().messages.length) {
      ben.chat.loadEarlier()
      await until(ben.chat, ({ messages }) => messages.length > loaded)
    }
    const all = await until(ben.chat, ({ earlier }) => earlier === 'none')
    expect(all.messages).toEqual(ann.chat.state.get().messages)
  })

  test('messages are found in the archive, page by page', async () => {
    const room = newRoom()
    const { chat } = await join(room, 'ann')
    await whenReady(chat)
    for (let number = 1; number <= 33; number++) chat.send({ text: `the word ${number}` })
    const { messages } = await until(chat, ({ messages }) => messages.at(-1)?.seq === 33)
    const page = await chat.search('word')
    expect(page.messages).toHaveLength(30)
    expect(page.messages[0]).toEqual(messages.at(-1))
    const before = page.next ?? expect.unreachable()
    const rest = await chat.search('word', { before })
    expect(rest.messages.map(({ text }) => text)).toEqual(['the word 3', 'the word 2', 'the word 1'])
    expect(rest.next).toBeUndefined()
    await expect(chat.search('  ')).rejects.toMatchObject({ code: 'http/bad-request' })
    const aborted = new AbortController()
    aborted.abort()
    await expect(chat.search('word', { signal: aborted.signal })).rejects.toMatchObject({ name: 'AbortError' })
    const stranger = await join(room, 'cem', { access: { 'notes/**': 'read' } })
    await expect(stranger.chat.search('word')).rejects.toMatchObject({ code: expect.stringMatching(/^access\//) })
  })
})

describe('what the server does not take', () => {
  test('messages written offline into a part that is full by then move on, ids unchanged and in order', async () => {
    const room = newRoom()
    const [ann, ben] = await Promise.all([join(room, 'ann'), join(room, 'ben')])
    await Promise.all([whenReady(ann.chat), whenReady(ben.chat)])
    ann.chat.send({ text: 'before' })
    await whenStored(ben.chat, 1)
    ann.chat.react(ben.chat.state.get().messages[0]?.id ?? '', '🎉', true)
    await until(ben.chat, ({ messages }) => Object.keys(messages[0]?.reactions ?? {}).length === 1)
    ann.documents.cable.cut()
    const ids = Array.from({ length: 2 * PER_SEGMENT + 2 }, (_, index) =>
      ann.chat.send({ text: `offline ${index}`, mentions: ['ben'] }),
    )
    ann.chat.edit(ann.chat.state.get().messages[0]?.id ?? '', 'before, edited')
    ann.chat.edit(ids[1] ?? '', 'offline one')
    expect(
      ann.chat.state
        .get()
        .messages.map(({ id }) => id)
        .slice(1),
    ).toEqual(ids)
    for (let number = 0; number < PER_SEGMENT; number++) ben.chat.send({ text: `online ${number}` })
    await whenStored(ben.chat, 1 + PER_SEGMENT)
    ann.documents.cable.mend()
    const count = 1 + PER_SEGMENT + ids.length
    const [anns, bens] = await Promise.all([whenStored(ann.chat, count), whenStored(ben.chat, count)])
    expect(anns.messages).toEqual(bens.messages)
    expect(anns.messages.slice(-ids.length).map(({ id }) => id)).toEqual(ids)
    expect(anns.messages.at(-ids.length + 1)?.text).toBe('offline one')
    expect(anns.messages.slice(-ids.length).every(({ mentions }) => mentions?.[0] === 'ben')).toBe(true)
    expect(anns).toMatchObject({ problems: {}, refusedChange: undefined })
    const edited = await until(ben.chat, ({ messages }) => messages[0]?.text === 'before, edited')
    expect(Object.keys(edited.messages[0]?.reactions ?? {})).toEqual(['🎉 ann'])
  })

  test('a refused message shows its problem, and the room goes on', async () => {
    const room = newRoom()
    const [ann, ben] = await Promise.all([join(room, 'ann'), join(room, 'ben')])
    await Promise.all([whenReady(ann.chat), whenReady(ben.chat)])
    const good = ann.chat.send({ text: 'good' })
    const bad = ann.chat.send({ text: 'x'.repeat(4_001) })
    const better = ann.chat.send({ text: 'better' })
    const refused = await until(ann.chat, ({ problems }) => Object.keys(problems).length > 0)
    expect(refused.problems).toEqual({ [bad]: expect.stringMatching(/at most 4000/) })
    const two = await until(ben.chat, ({ messages }) => messages.filter(({ seq }) => seq !== undefined).length === 2)
    expect(two.messages.map(({ id }) => id)).toEqual([good, better])
    const shown = await until(ann.chat, ({ messages }) => messages.filter(({ seq }) => seq !== undefined).length === 2)
    expect(shown.messages.map(({ id }) => id)).toEqual([good, better, bad])
    ann.chat.edit(bad, 'shorter')
    expect(texts(await whenStored(ben.chat, 3))).toEqual(['good', 'better', 'shorter'])
    expect(await until(ann.chat, ({ messages }) => messages[2]?.seq === 3)).toMatchObject({ problems: {} })
    const empty = ann.chat.send({ text: '' })
    await until(ann.chat, ({ problems }) => empty in problems)
    ann.chat.delete(empty)
    expect(ann.chat.state.get()).toMatchObject({ problems: {}, messages: { length: 3 } })
  })

  test('a message written with a clock that was ahead can be sent again once it is right', async () => {
    const room = newRoom()
    const [ann, ben] = await Promise.all([join(room, 'ann'), join(room, 'ben')])
    await Promise.all([whenReady(ann.chat), whenReady(ben.chat)])
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 10 * 60_000 })
    try {
      const early = ann.chat.send({ text: 'from the future' })
      const { problems } = await until(ann.chat, ({ problems }) => early in problems)
      expect(problems[early]).toMatch(/ahead/)
      vi.useRealTimers()
      ann.chat.retry(early)
    } finally {
      vi.useRealTimers()
    }
    expect(texts(await whenStored(ben.chat, 1))).toEqual(['from the future'])
    expect(await until(ann.chat, ({ messages }) => messages[0]?.seq === 1)).toMatchObject({
      problems: {},
      messages: { length: 1 },
    })
  })

  test('a refused edit is taken back with a reason, and costs no message', async () => {
    const room = newRoom()
    const [ann, ben] = await Promise.all([join(room, 'ann'), join(room, 'ben')])
    await Promise.all([whenReady(ann.chat), whenReady(ben.chat)])
    const id = ann.chat.send({ text: 'mine' })
    await Promise.all([whenStored(ann.chat, 1), whenStored(ben.chat, 1)])
    ann.chat.edit(id, 'x'.repeat(4_001))
    const other = ann.chat.send({ text: 'meanwhile' })
    const refused = await until(ann.chat, ({ refusedChange }) => refusedChange !== undefined)
    expect(refused.refusedChange).toMatch(/at most 4000/)
    expect((await whenStored(ben.chat, 2)).messages).toMatchObject([
      { id, text: 'mine' },
      { id: other, text: 'meanwhile' },
    ])
    expect((await whenStored(ann.chat, 2)).problems).toEqual({})
    ann.chat.dismissRefusedChange()
    expect(ann.chat.state.get().refusedChange).toBeUndefined()
  })

  test('somebody who may only read sees the room, keeps their own mark, and their messages wait', async () => {
    const room = newRoom()
    const ann = await join(room, 'ann')
    const guest = await join(room, 'guest', { access: { '**': 'read' } })
    await whenReady(ann.chat)
    ann.chat.send({ text: 'one' })
    const seen = await whenStored(guest.chat, 1)
    expect(seen).toMatchObject({ readOnly: true, unread: 1 })
    guest.chat.markRead()
    expect(guest.chat.state.get()).toMatchObject({ unread: 0, reads: {} })
    guest.chat.send({ text: 'may I?' })
    expect(texts(guest.chat.state.get())).toEqual(['one', 'may I?'])
  })

  test('messages from before a restart arrive, ids unchanged, however far the room has gone on', async () => {
    vi.stubGlobal('window', { localStorage: fakeStorage(), addEventListener() {}, removeEventListener() {} })
    onTestFinished(() => void vi.unstubAllGlobals())
    const room = newRoom()
    const [ann, ben] = await Promise.all([join(room, 'ann'), join(room, 'ben')])
    await Promise.all([whenReady(ann.chat), whenReady(ben.chat)])
    ann.documents.cable.cut()
    const ids = ['one', 'two', 'three'].map((text) => ann.chat.send({ text }))
    ann.chat.delete(ids[1] ?? '')
    ann.chat.edit(ids[2] ?? '', 'drei')
    ann.documents.close()
    for (let number = 0; number < 3 * PER_SEGMENT; number++) ben.chat.send({ text: `online ${number}` })
    await whenStored(ben.chat, 3 * PER_SEGMENT)
    const again = await join(room, 'ann')
    await until(again.chat, ({ messages }) => messages.at(-1)?.seq === 3 * PER_SEGMENT + 2)
    const bens = await whenStored(ben.chat, 3 * PER_SEGMENT + 2)
    expect(bens.messages.slice(-2)).toMatchObject([
      { id: ids[0], text: 'one' },
      { id: ids[2], text: 'drei' },
    ])
    expect(window.localStorage.length, 'nothing is left to send').toBe(0)
  })

  test('unsent messages are kept only where documents are, and erased with them', async () => {
    const storage = fakeStorage()
    const listeners = new Set<unknown>()
    vi.stubGlobal('window', {
      localStorage: storage,
      addEventListener: (type: string, listener: unknown) => type === 'storage' && listeners.add(listener),
      removeEventListener: (_type: string, listener: unknown) => listeners.delete(listener),
    })
    onTestFinished(() => void vi.unstubAllGlobals())
    const away = { url: 'http://127.0.0.1:9', user: 'ann', token: async () => tokenFor('ann') }
    const shared = connect({ ...away, keepLocally: false })
    shared.chat('chat/a').send({ text: 'on somebody else’s computer' })
    expect(storage.length).toBe(0)
    await shared.signOut()
    const session = connect({ ...away, keepLocally: true })
    const id = session.chat('chat/a').send({ text: 'on one’s own' })
    expect(session.chat('chat/a').state.get().messages, 'not used yet').toEqual([])
    expect(storage.length).toBe(1)
    await session.signOut()
    expect(storage.length, 'for the next time').toBe(1)
    const again = connect({ ...away, keepLocally: true })
    const chat = again.chat('chat/a')
    const { messages } = await until(chat, ({ messages }) => messages.length === 1)
    expect(messages).toMatchObject([{ id, author: 'ann', text: 'on one’s own' }])
    expect(listeners.size).toBe(1)
    await again.signOut({ erase: true })
    expect(storage.length).toBe(0)
    expect(() => chat.send({ text: 'too late' })).toThrow(expect.objectContaining({ code: 'client/closed' }))
    expect(chat.state.get().messages, 'what was shown last').toHaveLength(1)
    expect(listeners.size, 'nothing listens any more').toBe(0)
  })

  test('a message that an earlier part has, unknown to the device, is not there twice', async () => {
    const storage = fakeStorage()
    vi.stubGlobal('window', { localStorage: storage, addEventListener() {}, removeEventListener() {} })
    onTestFinished(() => void vi.unstubAllGlobals())
    const room = newRoom()
    const ann = await join(room, 'ann')
    await whenReady(ann.chat)
    const id = ann.chat.send({ text: 'once' })
    for (let number = 0; number < 4 * PER_SEGMENT; number++) ann.chat.send({ text: `${number}` })
    await until(ann.chat, ({ messages }) => messages.at(-1)?.seq === 1 + 4 * PER_SEGMENT)
    ann.chat.destroy()
    const unsent = { id, at: Date.now(), place: 1, attempts: 0, text: 'once' }
    storage.setItem(outboxPrefix('test', 'ann', room) + id, JSON.stringify(unsent))
    const again = openChat(ann.documents, room)
    await whenReady(again)
    await expect.poll(() => storage.length).toBe(0)
    again.send({ text: 'last' })
    const after = await until(
      again,
      ({ messages }) => messages.at(-1)?.text === 'last' && messages.at(-1)?.seq !== undefined,
    )
    expect(after.messages.at(-1)?.seq).toBe(2 + 4 * PER_SEGMENT)
    expect(after.messages.filter((message) => message.id === id)).toEqual([])
    again.destroy()
  })

  test('what was written before the room is left is sent all the same', async () => {
    const room = newRoom()
    const [ann, ben] = await Promise.all([join(room, 'ann'), join(room, 'ben')])
    ann.chat.send({ text: 'by the way' })
    ann.chat.destroy()
    await whenStored(ben.chat, 1)
    await expect.poll(() => ann.documents.count).toBe(0)
  })
})
