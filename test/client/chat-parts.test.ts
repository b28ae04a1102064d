import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import * as Y from 'yjs'
import { messageIn } from '../../client/chat/message-shape.ts'
import { unreadCount } from '../../client/chat/messages.ts'
import { NewLine } from '../../client/chat/new-line.ts'
import { messageFrom, Outbox, type UnsentMessage, unsentFrom } from '../../client/chat/outbox.ts'
import { eraseOutboxes, outboxPrefix, outboxStorage } from '../../client/chat/outbox-storage.ts'
import { redoOwnChanges } from '../../client/chat/own-changes.ts'
import { Typing } from '../../client/chat/typing.ts'
import { type ChatMessage, deleteMessage, editMessage, messagesOf, sendMessage, setReaction } from '../../model/chat.ts'
import { fakeStorage } from '../support/fake-storage.ts'

const NOON = new Date(2026, 4, 7, 12).getTime()

let number = 0
function message(author: string, fields: Partial<ChatMessage> = {}): ChatMessage {
  number += 1
  return { id: `id-${number}`, author, at: NOON, text: `text ${number}`, reactions: {}, ...fields }
}

describe('the unread messages', () => {
  test('unread: of others, above the mark, not deleted, and all that is not loaded', () => {
    const messages = [
      message('ben', { seq: 11 }),
      message('ann', { seq: 12 }),
      message('ben', { seq: 13, deletedAt: NOON }),
      message('cem', { seq: 14 }),
      message('ann'),
    ]
    expect(unreadCount(messages, 14, 'ann')).toBe(0)
    expect(unreadCount(messages, 11, 'ann')).toBe(1)
    expect(unreadCount(messages, 10, 'ann')).toBe(2)
    expect(unreadCount(messages, 6, 'ann')).toBe(6)
    expect(unreadCount([], 0, 'ann')).toBe(0)
  })
})

describe('the line above new messages', () => {
  const upTo = (last: number, author = 'ben') =>
    Array.from({ length: last }, (_, index) => message(author, { seq: index + 1 }))

  test('stands where reading ended, and stays while one reads on', () => {
    const line = new NewLine()
    line.follow({ messages: upTo(5), mark: 3, reading: false }, 'ann')
    expect(line.after).toBe(3)
    line.follow({ messages: upTo(5), mark: 3, reading: true }, 'ann')
    line.follow({ messages: upTo(6), mark: 5, reading: true }, 'ann')
    expect(line.after).toBe(3)
    line.reset()
    line.follow({ messages: upTo(6), mark: 6, reading: true }, 'ann')
    expect(line.after, 'looked at anew').toBe(6)
  })

  test('what arrives while one reads is no news; what arrives while one is away or offline is', () => {
    const line = new NewLine()
    line.follow({ messages: upTo(2), mark: 2, reading: true }, 'ann')
    line.follow({ messages: upTo(3), mark: 2, reading: true }, 'ann')
    expect(line.after).toBe(3)
    line.follow({ messages: upTo(3), mark: 3, reading: false }, 'ann')
    line.follow({ messages: upTo(5), mark: 3, reading: false }, 'ann')
    line.follow({ messages: upTo(5), mark: 3, reading: true }, 'ann')
    expect(line.after).toBe(3)
  })

  test('goes when one answers', () => {
    const line = new NewLine()
    line.follow({ messages: upTo(5), mark: 3, reading: true }, 'ann')
    line.passAll()
    expect(line.after).toBe(5)
  })
})

describe('typing', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('is shown once, and ends three seconds after the last key', () => {
    const frames: [boolean, number][] = []
    const start = performance.now()
    const typing = new Typing((shown) => frames.push([shown, performance.now() - start]))
    for (let key = 0; key < 50; key++) {
      typing.key()
      vi.advanceTimersByTime(100)
    }
    vi.advanceTimersByTime(10_000)
    expect(frames).toEqual([
      [true, 0],
      [false, 4_900 + 3_000],
    ])
  })

  test('sends at most one frame a second, whatever one does, and the last one is true', () => {
    const frames: number[] = []
    let shown = false
    const typing = new Typing((now) => {
      shown = now
      frames.push(performance.now())
    })
    for (let message = 0; message < 40; message++) {
      typing.key()
      vi.advanceTimersByTime(70)
      typing.stop()
      vi.advanceTimersByTime(50)
    }
    typing.stop()
    vi.advanceTimersByTime(10_000)
    expect(shown).toBe(false)
    expect(frames.length).toBeGreaterThan(2)
    for (const [index, at] of frames.entries()) {
      if (index > 0) expect(at - (frames[index - 1] ?? 0)).toBeGreaterThanOrEqual(1_000)
    }
  })

  test('ends at once when the room is left, without a later frame', () => {
    const frames: boolean[] = []
    const typing = new Typing((shown) => frames.push(shown))
    typing.key()
    typing.destroy()
    vi.advanceTimersByTime(10_000)
    expect(frames).toEqual([true, false])
  })
})

describe('changes that were lost with something refused', () => {
  /** Two copies of a segment with one message of Ann's; `change` happens to the first one only. */
  function copies(change: (message: Y.Map<unknown>) => void) {
    const [mine, fresh] = [new Y.Doc(), new Y.Doc()]
    sendMessage(mine, 'ann', { text: 'before' })
    setReaction(messagesOf(mine).get(0), '👍', 'ann', true)
    Y.applyUpdate(fresh, Y.encodeStateAsUpdate(mine))
    change(messagesOf(mine).get(0))
    const message = messagesOf(fresh).get(0)
    return { wanted: messagesOf(mine).get(0).toJSON() as ChatMessage, message }
  }

  test('edits, deletions and reactions of one’s own are made again', () => {
    const edited = copies((message) => editMessage(message, 'after'))
    redoOwnChanges(edited.message, edited.wanted, 'ann')
    expect(edited.message.get('text')).toBe('after')

    const deleted = copies(deleteMessage)
    redoOwnChanges(deleted.message, deleted.wanted, 'ann')
    expect(deleted.message.toJSON()).toMatchObject({ text: '', deletedAt: expect.any(Number) })

    const reacted = copies((message) => {
      setReaction(message, '🎉', 'ann', true)
      setReaction(message, '👍', 'ann', false)
    })
    redoOwnChanges(reacted.message, reacted.wanted, 'ann')
    expect(reacted.message.toJSON().reactions).toEqual({ '🎉 ann': expect.any(Number) })
  })

  test('what others did is left to them, and a deleted message stays as it is', () => {
    const others = copies((message) => {
      editMessage(message, 'after')
      setReaction(message, '🎉', 'ann', true)
    })
    redoOwnChanges(others.message, others.wanted, 'ben')
    expect(others.message.toJSON()).toMatchObject({ text: 'before', reactions: { '👍 ann': expect.any(Number) } })

    const gone = copies((message) => editMessage(message, 'after'))
    deleteMessage(gone.message)
    const before = gone.message.toJSON()
    redoOwnChanges(gone.message, gone.wanted, 'ann')
    expect(gone.message.toJSON()).toEqual(before)
  })
})

describe('unsent messages', () => {
  const listeners = new Set<(event: unknown) => void>()
  beforeEach(() => {
    vi.stubGlobal('window', {
      addEventListener: (_type: string, listener: (event: unknown) => void) => listeners.add(listener),
      removeEventListener: (_type: string, listener: (event: unknown) => void) => listeners.delete(listener),
    })
  })
  afterEach(() => {
    vi.unstubAllGlobals()
    expect(listeners.size, 'every listener was taken away').toBe(0)
  })

  const unsent = (id: string, at = NOON): Omit<UnsentMessage, 'place'> => ({
    id,
    at,
    text: `text of ${id}`,
    attempts: 0,
  })
  const open = (storage: Storage | undefined, user = 'ann', room = 'chat/team', changed = () => {}) =>
    new Outbox(outboxPrefix('server', user, room), changed, outboxStorage(storage))
  const idsOf = ({ messages }: Outbox) => messages.map(({ id }) => id)

  test('are kept by user and room, in the order of writing', () => {
    const storage = fakeStorage()
    const outbox = open(storage)
    outbox.add([unsent('c'), unsent('a'), unsent('b', NOON - 1)])
    outbox.add([unsent('a')])
    outbox.change('a', (message) => ({ ...message, problem: 'no' }))
    outbox.close()
    const again = open(storage)
    expect(idsOf(again)).toEqual(['b', 'c', 'a'])
    expect(again.messages[2]?.problem).toBe('no')
    expect(again.pending.map(({ id }) => id)).toEqual(['b', 'c'])
    again.remove('c')
    again.close()
    for (const [user, room, expected] of [
      ['ann', 'chat/team', ['b', 'a']],
      ['ann', 'chat/team/b', []],
      ['ann/chat', 'team', []],
      ['ben', 'chat/team', []],
    ] as const) {
      const outbox = open(storage, user, room)
      expect(idsOf(outbox)).toEqual(expected)
      outbox.close()
    }
  })

  test('of two tabs do not overwrite each other, and what one has sent is gone in the other', () => {
    const storage = fakeStorage()
    let heard = 0
    const one = open(storage, 'ann', 'chat/team', () => {
      heard += 1
    })
    const other = open(storage)
    one.add([unsent('a')])
    other.add([unsent('b')])
    for (const listener of listeners) listener({ key: 'something else', storageArea: storage })
    expect(heard).toBe(0)
    for (const listener of listeners) listener({ key: storage.key(1), storageArea: storage })
    expect(heard).toBe(1)
    expect(idsOf(one), 'what the other tab writes is its own to send').toEqual(['a'])
    const late = open(storage)
    expect(idsOf(late)).toEqual(['a', 'b'])
    late.remove('a')
    for (const listener of listeners) listener({ key: storage.key(0), storageArea: storage })
    expect(idsOf(one)).toEqual([])
    for (const outbox of [one, other, late]) outbox.close()
  })

  test('of a tab that was closed are taken over by one tab only', async () => {
    const storage = fakeStorage()
    const closed = open(storage)
    closed.add([unsent('a')])
    closed.close()
    Object.assign(window, { navigator })
    const changes: string[] = []
    const one = open(storage, 'ann', 'chat/team', () => changes.push('one'))
    const other = open(storage, 'ann', 'chat/team', () => changes.push('other'))
    expect(idsOf(one), 'not before its turn').toEqual([])
    await expect.poll(() => changes).toEqual(['one'])
    expect(idsOf(one)).toEqual(['a'])
    one.add([unsent('b')])
    expect(idsOf(other)).toEqual([])
    one.close()
    await expect.poll(() => changes).toEqual(['one', 'other'])
    expect(idsOf(other)).toEqual(['a', 'b'])
    const late = open(storage, 'ann', 'chat/team', () => changes.push('late'))
    late.close()
    other.close()
    const inLine = async () => {
      const { held = [], pending = [] } = await navigator.locks.query()
      return held.length + pending.length
    }
    await expect.poll(inLine).toBe(0)
    expect(changes).not.toContain('late')
  })

  test('tell when they are not kept: storage is full, or missing', () => {
    const tight = open(fakeStorage(120))
    tight.add([unsent('a')])
    expect(tight.isKept).toBe(true)
    tight.add([{ ...unsent('b'), text: 'x'.repeat(120) }])
    expect(tight.isKept).toBe(false)
    expect(idsOf(tight)).toEqual(['a', 'b'])
    tight.remove('b')
    expect(tight.isKept).toBe(true)
    tight.close()
    const nowhere = open(undefined)
    nowhere.add([unsent('a')])
    expect(nowhere.isKept).toBe(false)
    expect(idsOf(nowhere)).toEqual(['a'])
    nowhere.close()
  })

  test('of one user are erased, and nobody else’s; what is damaged is left out', () => {
    const storage = fakeStorage()
    const outboxes = [
      open(storage, 'ann', 'chat/a'),
      open(storage, 'ann', 'dm/ann,ben'),
      open(storage, 'anna', 'chat/a'),
    ]
    for (const outbox of outboxes) {
      outbox.add([unsent('m')])
      outbox.close()
    }
    eraseOutboxes('server', 'ann', storage)
    expect(storage.length).toBe(1)
    storage.setItem(storage.key(0) ?? '', '{"id":')
    const damaged = open(storage, 'anna', 'chat/a')
    expect(damaged.messages).toEqual([])
    damaged.close()
  })
})

describe('a message that the server sends', () => {
  const full = message('ann', {
    replyTo: 'r',
    mentions: ['ben', 'constructor'],
    anchor: { start: { tname: 'text', item: { client: 1, clock: 2 } }, end: { type: null, assoc: -1 } },
    attachments: [{ name: 'a.png', type: 'image/png', size: 1, url: 'https://example.org/a.png' }],
    editedAt: 1,
    deletedAt: 2,
    reactions: { '👍 ann': 3 },
    seq: 4,
    receivedAt: 5,
  })

  test('is read as it is, without what belongs to no message', () => {
    expect(messageIn({ ...full, room: 'chat/team' })).toEqual(full)
  })

  test('is sent anew with all that its author gave', () => {
    const { editedAt: _, deletedAt: _2, reactions: _3, seq: _4, receivedAt: _5, ...given } = full
    expect(messageFrom({ ...unsentFrom(full), place: 1 }, full.author)).toEqual(given)
  })

  test.each(['id', 'author', 'at', 'text'])('is none without %s', (key) => {
    expect(messageIn({ ...full, [key]: undefined })).toBeUndefined()
    expect(messageIn({ ...full, [key]: [] })).toBeUndefined()
  })

  test.each([null, 'x', 3, []])('%j is none', (value) => {
    expect(messageIn(value)).toBeUndefined()
  })

  test.each([
    ['replyTo', 7],
    ['mentions', { 0: 'ben' }],
    ['anchor', { start: { item: { client: 'x' } } }],
    ['attachments', 'none'],
    ['reactions', { '👍 ann': 'now' }],
    ['seq', '4'],
  ])('loses a %s of the wrong kind', (key, value) => {
    const read = messageIn({ ...full, [key]: value })
    expect(read).toMatchObject({ id: full.id })
    expect(read).not.toHaveProperty(key)
  })
})
