import * as encoding from 'lib0/encoding'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { actInCall, callsOf, type NewCall, startCall } from '../../model/calls.ts'
import {
  deleteMessage,
  editMessage,
  messagesOf,
  newMessageId,
  readsOf,
  sendMessage,
  setReaction,
} from '../../model/chat.ts'
import { CloseCode } from '../../model/close-codes.ts'
import { SyncType } from '../../server/connection/frames.ts'
import { copyOf, forge, insertItem } from '../support/chat-forgery.ts'
import { ChatPeer, type ChatPeerOptions } from '../support/chat-peer.ts'
import { FrameSocket } from '../support/frame-socket.ts'
import { authMessage, openFrameSocket, openYFrameSocket, syncPayload, updateMessage } from '../support/messages.ts'
import { replayFromLog } from '../support/replay.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'

const room = 'chat/hold'
const segment = `${room}@1`

/** Where what stands in the room that the attacks are made on. */
const byAnn = 0
const byBob = 1
const bobEdited = 2
const bobDeleted = 3
const byMallory = 4
const malloryDeleted = 5

let server: TestServer
let witness: ChatPeer
let headWitness: ChatPeer
let untouched: string
let untouchedHead: string
let bobsClient = 0
let lastClient = 1_000_000

beforeAll(async () => {
  server = await startServer()
  headWitness = await ChatPeer.open(server, room, { user: 'ann' })
  headWitness.edit((head) => readsOf(head).set('ann', 3))
  const mallory = await ChatPeer.open(server, room, { user: 'mallory' })
  mallory.edit((head) => readsOf(head).set('mallory', 5))
  await mallory.answered(1)
  mallory.destroy()
  await headWitness.sync()
  untouchedHead = jsonOf(headWitness.ydoc)
  await fillRoom()
  witness = await ChatPeer.open(server, segment, { user: 'ann' })
  await witness.until(() =>
    witness.ydoc
      .getArray<Y.Map<unknown>>('messages')
      .map((m) => m.has('seq'))
      .every(Boolean),
  )
  untouched = jsonOf(witness.ydoc)
})

afterAll(() => server.stop())

async function fillRoom(): Promise<void> {
  const attachments = [{ name: 'a.png', type: 'image/png', size: 1, url: 'https://example.org/a.png' }]
  const ann = await ChatPeer.open(server, segment, { user: 'ann' })
  ann.edit((ydoc) => sendMessage(ydoc, 'ann', { text: 'first' }))
  ann.edit((ydoc) => setReaction(at(ydoc, byAnn), '👍', 'ann', true))
  await ann.answered(2)
  const bob = await ChatPeer.open(server, segment, { user: 'bob' })
  bobsClient = bob.ydoc.clientID
  bob.edit((ydoc) => sendMessage(ydoc, 'bob', { text: 'second', attachments }))
  bob.edit((ydoc) => sendMessage(ydoc, 'bob', { text: 'to be edited' }))
  bob.edit((ydoc) => sendMessage(ydoc, 'bob', { text: 'to be deleted' }))
  bob.edit((ydoc) => editMessage(at(ydoc, bobEdited), 'edited'))
  bob.edit((ydoc) => deleteMessage(at(ydoc, bobDeleted)))
  bob.edit((ydoc) => setReaction(at(ydoc, byAnn), '👍', 'bob', true))
  await bob.answered(6)
  const mallory = await ChatPeer.open(server, segment, { user: 'mallory' })
  mallory.edit((ydoc) => sendMessage(ydoc, 'mallory', { text: 'honest so far' }))
  mallory.edit((ydoc) => sendMessage(ydoc, 'mallory', { text: 'to be deleted', attachments }))
  mallory.edit((ydoc) => deleteMessage(at(ydoc, malloryDeleted)))
  await mallory.answered(3)
  for (const peer of [ann, bob, mallory]) peer.destroy()
}

/** The Yjs client id of one more device of an attacker. */
function nextClient(): number {
  lastClient += 1
  return lastClient
}

/** All of a document, each root; keys are sorted, since their order in a Y.Map depends on how it was loaded. */
function jsonOf(ydoc: Y.Doc): string {
  const roots = Array.from(ydoc.share.keys(), (name) => [
    name,
    name === 'messages' ? ydoc.getArray(name).toJSON() : ydoc.getMap(name).toJSON(),
  ])
  return JSON.stringify(Object.fromEntries(roots), (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)))
      : value,
  )
}

function at(ydoc: Y.Doc, index: number): Y.Map<unknown> {
  const message = messagesOf(ydoc).get(index)
  if (message === undefined) throw new Error(`there is no message ${index}`)
  return message
}

/** The item of an entry of a map. */
function itemOf(map: Y.Map<unknown>, key: string): Y.Item {
  const item = map._map.get(key)
  if (item === undefined) throw new Error(`there is no ${key}`)
  return item
}

function mapOf(fields: Readonly<Record<string, unknown>>): Y.Map<unknown> {
  return new Y.Map(Object.entries(fields))
}

/** An honest message of mallory's, with `changes`; `undefined` leaves a field out. */
function message(changes: Readonly<Record<string, unknown>> = {}): Y.Map<unknown> {
  const fields = { id: newMessageId(), author: 'mallory', at: Date.now(), text: 'hello', ...changes }
  return mapOf(Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)))
}

const pushes =
  (changes: () => Readonly<Record<string, unknown>>): Edit =>
  (ydoc) =>
    messagesOf(ydoc).push([message(changes())])

function edits(index: number, fields: Readonly<Record<string, unknown>>): Edit {
  return (ydoc) => {
    for (const [key, value] of Object.entries(fields)) at(ydoc, index).set(key, value)
  }
}

/** One client's structs, encoded by hand; no deletions. */
function rawUpdate(
  client: number,
  clock: number,
  structs: readonly ((encoder: encoding.Encoder) => void)[],
): Uint8Array {
  return encoding.encode((encoder) => {
    for (const number of [1, structs.length, client, clock]) encoding.writeVarUint(encoder, number)
    for (const write of structs) write(encoder)
    encoding.writeVarUint(encoder, 0)
  })
}

type Edit = (ydoc: Y.Doc) => void

const hour = 60 * 60 * 1000
const attachment = { name: 'a', type: 'text/plain', size: 1, url: 'https://example.org/' }

/** The rule that each attack on the segment breaks, and the attack. */
const attacks: Record<string, [rule: string, edit: Edit]> = {
  'a message in another’s name': ['chat/foreign-author', pushes(() => ({ author: 'ann' }))],
  'a message in nobody’s name': ['chat/message-shape', pushes(() => ({ author: undefined }))],
  'a message in the server’s name': ['chat/foreign-author', pushes(() => ({ author: '' }))],
  'a message made another’s afterwards': ['chat/fixed-field', edits(byMallory, { author: 'ann' })],
  'taking over another’s message': ['chat/foreign-message', edits(byBob, { author: 'mallory', editedAt: 1 })],
  'editing another’s text': ['chat/foreign-message', edits(byBob, { text: 'forged', editedAt: 1 })],
  'editing another’s text unmarked': ['chat/foreign-message', edits(byBob, { text: 'forged' })],
  'writing another’s text anew as it is, to win over an edit': [
    'chat/foreign-message',
    edits(byBob, { text: 'second' }),
  ],
  'deleting another’s message softly': ['chat/foreign-message', (ydoc) => deleteMessage(at(ydoc, byBob))],
  'removing another’s text': ['chat/message-shape', (ydoc) => at(ydoc, byBob).delete('text')],
  'removing another’s attachments': ['chat/foreign-message', (ydoc) => at(ydoc, byBob).delete('attachments')],
  'clearing another’s message': ['chat/', (ydoc) => at(ydoc, byBob).clear()],
  'removing one’s own message': ['chat/shape', (ydoc) => messagesOf(ydoc).delete(byMallory)],
  'removing another’s message': ['chat/shape', (ydoc) => messagesOf(ydoc).delete(byBob)],
  'removing all messages': ['chat/shape', (ydoc) => messagesOf(ydoc).delete(0, messagesOf(ydoc).length)],
  'a message in front of the first': ['chat/shape', (ydoc) => messagesOf(ydoc).insert(0, [message()])],
  'a message in the middle': ['chat/shape', (ydoc) => messagesOf(ydoc).insert(2, [message()])],
  'a message with a right neighbour only': [
    'chat/shape',
    (ydoc) => insertItem(ydoc, messagesOf(ydoc), { right: at(ydoc, 0)._item }, new Y.ContentType(new Y.Map())),
  ],
  'seq in a new message': ['chat/message-shape', pushes(() => ({ seq: 1 }))],
  'receivedAt in a new message': ['chat/message-shape', pushes(() => ({ receivedAt: 1 }))],
  'seq in one’s own message': ['chat/server-field', edits(byMallory, { seq: 1 })],
  'seq in another’s message': ['chat/server-field', edits(byBob, { seq: 99 })],
  'seq as it is': ['chat/server-field', (ydoc) => at(ydoc, byBob).set('seq', at(ydoc, byBob).get('seq'))],
  'removing seq': ['chat/server-field', (ydoc) => at(ydoc, byMallory).delete('seq')],
  'receivedAt in another’s message': ['chat/server-field', edits(byBob, { receivedAt: 1 })],
  'an unknown key': ['chat/message-shape', pushes(() => ({ colour: 'red' }))],
  'an unknown key in another’s message': ['chat/message-shape', edits(byBob, { colour: 'red' })],
  'a key named __proto__': ['chat/shape', pushes(() => Object.fromEntries([['__proto__', { author: 'ann' }]]))],
  'a key named __proto__ in another’s message': [
    'chat/shape',
    (ydoc) => at(ydoc, byBob).set('__proto__', { author: 'ann' }),
  ],
  'a key named constructor': ['chat/message-shape', pushes(() => ({ constructor: { prototype: 1 } }))],
  'a reaction named __proto__': [
    'chat/shape',
    (ydoc) => (at(ydoc, byBob).get('reactions') as Y.Map<number>).set('__proto__', 1),
  ],
  'a reaction named constructor': [
    'chat/reaction-shape',
    (ydoc) => (at(ydoc, byBob).get('reactions') as Y.Map<number>).set('constructor', 1),
  ],
  'a constructor inside a value': [
    'chat/message-shape',
    pushes(() => ({ attachments: [{ ...attachment, constructor: { prototype: { admin: true } } }] })),
  ],
  'a __proto__ inside a value': [
    'chat/shape',
    pushes(() => ({ attachments: [Object.fromEntries([...Object.entries(attachment), ['__proto__', { a: 1 }]])] })),
  ],
  'a Y.Text as text': ['chat/shape', pushes(() => ({ text: new Y.Text('nested') }))],
  'a Y.Map as attachments': ['chat/shape', pushes(() => ({ attachments: mapOf({ 0: attachment }) }))],
  'a Y.Array in a message': ['chat/shape', pushes(() => ({ attachments: Y.Array.from([attachment]) }))],
  'a Y.Array as reactions': ['chat/shape', pushes(() => ({ reactions: new Y.Array() }))],
  'plain reactions, which nobody could add to': ['chat/shape', pushes(() => ({ reactions: {} }))],
  'a map inside of reactions': ['chat/shape', pushes(() => ({ reactions: mapOf({ '👍 mallory': new Y.Map() }) }))],
  'a subdocument in a message': ['chat/shape', pushes(() => ({ text: new Y.Doc() }))],
  'a subdocument as message': ['chat/shape', (ydoc) => ydoc.getArray<unknown>('messages').push([new Y.Doc()])],
  'bytes in a message': ['chat/shape', pushes(() => ({ text: Uint8Array.of(1) }))],
  'a text as message': ['chat/shape', (ydoc) => ydoc.getArray<unknown>('messages').push([new Y.Text('x')])],
  'a plain object as message': ['chat/shape', (ydoc) => ydoc.getArray<unknown>('messages').push([{ author: 'ann' }])],
  'an XML element as message': [
    'chat/shape',
    (ydoc) => ydoc.getArray<unknown>('messages').push([new Y.XmlElement('p')]),
  ],
  'an XML hook, which is a Y.Map too, as message': [
    'chat/shape',
    (ydoc) => {
      const hook = new Y.XmlHook('hook')
      const fields = { id: newMessageId(), author: 'mallory', at: Date.now(), text: 'hook' }
      for (const [key, value] of Object.entries(fields)) hook.set(key, value)
      ydoc.getArray<unknown>('messages').push([hook])
    },
  ],
  'an XML hook as reactions': ['chat/shape', pushes(() => ({ reactions: new Y.XmlHook('hook') }))],
  'another root type': ['chat/shape', (ydoc) => ydoc.getText('text').insert(0, 'hello')],
  'a root type of the head': ['chat/shape', (ydoc) => ydoc.getMap('room').set('segment', 7)],
  'a root XML type': ['chat/shape', (ydoc) => ydoc.getXmlFragment('xml').insert(0, [new Y.XmlText('hello')])],
  'the list of messages used as a map': [
    'chat/shape',
    (ydoc) => insertItem(ydoc, messagesOf(ydoc), { key: 'text' }, new Y.ContentAny(['hello'])),
  ],
  'the list of messages used as a map of messages': [
    'chat/shape',
    (ydoc) => insertItem(ydoc, messagesOf(ydoc), { key: 'text' }, new Y.ContentType(message())),
  ],
  'a message used as a list': [
    'chat/shape',
    (ydoc) => insertItem(ydoc, at(ydoc, byMallory), {}, new Y.ContentAny(['hello'])),
  ],
  'two values in one entry': [
    'chat/shape',
    (ydoc) =>
      insertItem(
        ydoc,
        at(ydoc, byMallory),
        { key: 'text', left: itemOf(at(ydoc, byMallory), 'text') },
        new Y.ContentAny(['one', 'two']),
      ),
  ],
  'an old text of another made the newest': [
    'chat/foreign-message',
    (ydoc) => {
      const newest = itemOf(at(ydoc, bobEdited), 'text')
      insertItem(ydoc, at(ydoc, bobEdited), { key: 'text', left: newest.left }, new Y.ContentAny(['to be edited']))
    },
  ],
  'an entry in front of another’s, which stays the newest': [
    'chat/foreign-message',
    (ydoc) => insertItem(ydoc, at(ydoc, byBob), { key: 'text', right: itemOf(at(ydoc, byBob), 'text') }, any('hidden')),
  ],
  'an entry in another’s message that is deleted at once': [
    'chat/foreign-message',
    (ydoc) => insertItem(ydoc, at(ydoc, byBob), { key: 'editedAt' }, new Y.ContentDeleted(1)),
  ],
  'a type hidden behind a newer value': [
    'chat/shape',
    (ydoc) => {
      ydoc.gc = false
      at(ydoc, byMallory).set('text', new Y.Text('hidden'))
      edits(byMallory, { text: 'shown', editedAt: Date.now() })(ydoc)
    },
  ],
  'replacing the reactions': ['chat/shape', (ydoc) => at(ydoc, byBob).set('reactions', new Y.Map())],
  'replacing one’s own reactions': ['chat/shape', (ydoc) => at(ydoc, byMallory).set('reactions', new Y.Map())],
  'removing the reactions': ['chat/shape', (ydoc) => at(ydoc, byMallory).delete('reactions')],
  'a reaction for another': ['chat/foreign-reaction', (ydoc) => setReaction(at(ydoc, byBob), '👎', 'ann', true)],
  'taking back another’s reaction': [
    'chat/foreign-reaction',
    (ydoc) => setReaction(at(ydoc, byAnn), '👍', 'bob', false),
  ],
  'setting another’s reaction anew as it is': [
    'chat/foreign-reaction',
    (ydoc) => {
      const reactions = at(ydoc, byAnn).get('reactions') as Y.Map<number>
      reactions.set('👍 bob', reactions.get('👍 bob') ?? 0)
    },
  ],
  'a reaction for another in a new message': [
    'chat/foreign-reaction',
    pushes(() => ({ reactions: mapOf({ '👍 ann': 1 }) })),
  ],
  'a reaction in words': ['chat/reaction-shape', (ydoc) => setReaction(at(ydoc, byBob), 'hello', 'mallory', true)],
  'a reaction in markup': ['chat/reaction-shape', (ydoc) => setReaction(at(ydoc, byBob), '<b>', 'mallory', true)],
  'a reaction of nothing': ['chat/reaction-shape', (ydoc) => setReaction(at(ydoc, byBob), '', 'mallory', true)],
  'a reaction of very many emoji': [
    'chat/reaction-shape',
    (ydoc) => setReaction(at(ydoc, byBob), '😀'.repeat(1_000), 'mallory', true),
  ],
  'a reaction that is no time': [
    'chat/message-shape',
    (ydoc) => (at(ydoc, byBob).get('reactions') as Y.Map<unknown>).set('👍 mallory', 'now'),
  ],
  'a reaction from tomorrow': [
    'chat/time-ahead',
    (ydoc) => (at(ydoc, byBob).get('reactions') as Y.Map<unknown>).set('👍 mallory', Date.now() + hour),
  ],
  'a reaction from tomorrow in a new message': [
    'chat/time-ahead',
    pushes(() => ({ reactions: mapOf({ '👍 mallory': Date.now() + hour }) })),
  ],
  'a hundred reactions to one message': [
    'chat/too-many-reactions',
    (ydoc) => {
      for (let index = 0; index < 100; index += 1)
        setReaction(
          at(ydoc, byBob),
          String.fromCodePoint(0x1f600 + (index % 64), 0x1f600 + (index >> 1)),
          'mallory',
          true,
        )
    },
  ],
  'a text of 1 MB': ['chat/text-too-long', pushes(() => ({ text: 'x'.repeat(1_000_000) }))],
  'a text of 4,001 characters': ['chat/text-too-long', pushes(() => ({ text: '😀'.repeat(4_001) }))],
  'a text of 4,001 characters by an edit': [
    'chat/text-too-long',
    edits(byMallory, { text: 'x'.repeat(4_001), editedAt: 1 }),
  ],
  'no text': ['chat/empty-message', pushes(() => ({ text: '' }))],
  'no text any more': ['chat/empty-message', edits(byMallory, { text: '', editedAt: 1 })],
  'a number as text': ['chat/message-shape', pushes(() => ({ text: 7 }))],
  'at two minutes ahead': ['chat/time-ahead', pushes(() => ({ at: Date.now() + 120_000 }))],
  'editedAt two minutes ahead': [
    'chat/time-ahead',
    (ydoc) => edits(byMallory, { text: 'new', editedAt: Date.now() + 120_000 })(ydoc),
  ],
  'at before 1970': ['chat/message-shape', pushes(() => ({ at: -1 }))],
  'at that is no number': ['chat/shape', pushes(() => ({ at: Number.NaN }))],
  'an id that is no UUID': ['chat/message-shape', pushes(() => ({ id: 'one' }))],
  'an id of version 4': ['chat/message-shape', pushes(() => ({ id: crypto.randomUUID() }))],
  'an id in capitals': ['chat/message-shape', pushes(() => ({ id: newMessageId().replace(/.$/, 'A') }))],
  'an id that the segment has': [
    'chat/duplicate-id',
    (ydoc) => pushes(() => ({ id: at(ydoc, byBob).get('id') }))(ydoc),
  ],
  'an id twice in one update': [
    'chat/duplicate-id',
    (ydoc) => {
      const id = newMessageId()
      messagesOf(ydoc).push([message({ id }), message({ id })])
    },
  ],
  'another id': ['chat/fixed-field', (ydoc) => at(ydoc, byMallory).set('id', newMessageId())],
  'another time of writing': ['chat/fixed-field', edits(byMallory, { at: 1, text: 'new', editedAt: 1 })],
  'other attachments': ['chat/fixed-field', edits(byMallory, { attachments: [attachment], editedAt: 1 })],
  'an attachment with a javascript: URL': ['chat/message-shape', pushes(() => withUrl('javascript:alert(1)'))],
  'an attachment with a disguised javascript: URL': [
    'chat/message-shape',
    pushes(() => withUrl(' java\nscript:alert(1)')),
  ],
  'an attachment with a data: URL': ['chat/message-shape', pushes(() => withUrl('data:text/html,x'))],
  'an attachment with a relative URL': ['chat/message-shape', pushes(() => withUrl('/admin'))],
  'too many attachments': ['chat/message-shape', pushes(() => ({ attachments: Array(11).fill(attachment) }))],
  'an attachment with more in it': [
    'chat/message-shape',
    pushes(() => ({ attachments: [{ ...attachment, onclick: 'alert(1)' }] })),
  ],
  'an anchor with more in it': [
    'chat/message-shape',
    pushes(() => ({ anchor: { start: { tname: 'text', more: true } } })),
  ],
  'an answer to no message': ['chat/message-shape', pushes(() => ({ replyTo: 'the one before' }))],
  'a mention of nobody': ['chat/message-shape', pushes(() => ({ mentions: [''] }))],
  'a mention that is no list': ['chat/message-shape', pushes(() => ({ mentions: 'ann' }))],
  'a mention in a map': ['chat/shape', pushes(() => ({ mentions: new Y.Map([['0', 'ann']]) }))],
  'a mention in a shared list': ['chat/shape', pushes(() => ({ mentions: Y.Array.from(['ann']) }))],
  'mentions with a prototype': ['chat/', pushes(() => ({ mentions: [JSON.parse('{"__proto__":{"x":1}}')] }))],
  'a mention by number': ['chat/message-shape', pushes(() => ({ mentions: [7] }))],
  'mentioning somebody twice': ['chat/message-shape', pushes(() => ({ mentions: ['ann', 'ann'] }))],
  'mentioning 21 people': [
    'chat/message-shape',
    pushes(() => ({ mentions: Array.from({ length: 21 }, (_, index) => `user ${index}`) })),
  ],
  'mentioning somebody later': ['chat/fixed-field', edits(byMallory, { mentions: ['ann'] })],
  'mentioning somebody by editing': [
    'chat/fixed-field',
    edits(byMallory, { text: '@ann', mentions: ['ann'], editedAt: 1 }),
  ],
  'un-deleting': [
    'chat/',
    (ydoc) => {
      at(ydoc, malloryDeleted).delete('deletedAt')
      at(ydoc, malloryDeleted).set('text', 'back again')
    },
  ],
  'editing what is deleted': ['chat/deleted-message', edits(malloryDeleted, { text: 'back', editedAt: 1 })],
  'giving what is deleted a text by deleting it again': [
    'chat/deletion-keeps-content',
    edits(malloryDeleted, { text: 'back', deletedAt: 1 }),
  ],
  'editing without editedAt': ['chat/edit-unmarked', edits(byMallory, { text: 'new' })],
  'editing and hiding it': [
    'chat/edit-unmarked',
    (ydoc) => {
      edits(byMallory, { text: 'new', editedAt: 1 })(ydoc)
      at(ydoc, byMallory).delete('editedAt')
    },
  ],
  'deleting and keeping the text': ['chat/deletion-keeps-content', edits(byMallory, { deletedAt: 1 })],
  'a new message that is deleted and has a text': ['chat/deletion-keeps-content', pushes(() => ({ deletedAt: 1 }))],
  'deleting and changing the author': ['chat/fixed-field', edits(byMallory, { text: '', deletedAt: 1, author: 'ann' })],
  'a message deleted before it is sent': [
    'chat/shape',
    (ydoc) => {
      messagesOf(ydoc).push([message()])
      messagesOf(ydoc).delete(messagesOf(ydoc).length - 1)
    },
  ],
  'a message deleted before it is sent, with all its content': [
    'chat/shape',
    (ydoc) => {
      ydoc.gc = false
      messagesOf(ydoc).push([message()])
      messagesOf(ydoc).delete(messagesOf(ydoc).length - 1)
    },
  ],
}

function any(value: unknown): Y.ContentAny {
  return new Y.ContentAny([value])
}

function withUrl(url: string): Readonly<Record<string, unknown>> {
  return { attachments: [{ ...attachment, url }] }
}

/** The room is byte for byte what it was: for the witness, and for who comes new. */
async function expectUntouched(): Promise<void> {
  await Promise.all([witness.sync(), headWitness.sync()])
  const [fresh, freshHead] = await Promise.all([
    ChatPeer.open(server, segment, { user: 'carol' }),
    ChatPeer.open(server, room, { user: 'carol' }),
  ])
  for (const ydoc of [witness.ydoc, fresh.ydoc]) expect(jsonOf(ydoc)).toBe(untouched)
  for (const ydoc of [headWitness.ydoc, freshHead.ydoc]) expect(jsonOf(ydoc)).toBe(untouchedHead)
  expect(Y.encodeStateAsUpdate(fresh.ydoc)).toEqual(Y.encodeStateAsUpdate(witness.ydoc))
  fresh.destroy()
  freshHead.destroy()
}

async function expectRefused(attacker: ChatPeer, rule: string, code: number = CloseCode.Forbidden): Promise<void> {
  const closed = await attacker.closed
  expect(closed).toMatchObject({ code, reason: expect.stringContaining(rule) })
  attacker.destroy()
}

function openAttacker(options: ChatPeerOptions = {}, name = segment): Promise<ChatPeer> {
  return ChatPeer.open(server, name, { user: 'mallory', ...options })
}

describe('[promise 3] a change that breaks a rule of the chat is refused and changes nothing', () => {
  for (const [title, [rule, edit]] of Object.entries(attacks)) {
    test(title, async () => {
      const attacker = await openAttacker()
      attacker.send(forge(attacker.ydoc, nextClient(), edit))
      await expectRefused(attacker, rule)
      await expectUntouched()
    })
  }

  test('over y-websocket, too', async () => {
    const socket = await openYFrameSocket(server, segment)
    socket.send(
      updateMessage(
        null,
        forge(
          witness.ydoc,
          nextClient(),
          pushes(() => ({ author: 'ann' })),
        ),
      ),
    )
    expect(await socket.closed).toMatchObject({ code: 4403, reason: expect.stringContaining('chat/foreign-author') })
    await expectUntouched()
  })

  test('all of them as the answer to a sync step', { timeout: 180_000 }, async () => {
    for (const [rule, edit] of Object.values(attacks)) {
      const attacker = await openAttacker()
      const copy = copyOf(attacker.ydoc)
      copy.clientID = nextClient()
      edit(copy)
      attacker.answer(Y.encodeStateAsUpdate(copy))
      await expectRefused(attacker, rule)
    }
    await expectUntouched()
  })

  test('all of them hidden among good messages, in one big update', { timeout: 180_000 }, async () => {
    for (const [rule, edit] of Object.values(attacks)) {
      const attacker = await openAttacker()
      const good = (ydoc: Y.Doc) => {
        for (let index = 0; index < 30; index += 1) messagesOf(ydoc).push([message({ text: `good ${index}` })])
      }
      const copy = copyOf(attacker.ydoc)
      const before = Y.encodeStateVector(copy)
      for (const part of [good, edit, good]) {
        copy.clientID = nextClient()
        part(copy)
      }
      attacker.send(Y.encodeStateAsUpdate(copy, before))
      await expectRefused(attacker, rule)
    }
    await expectUntouched()
  })

  test('all of them by a client that understands refusals, which is told and keeps its socket', {
    timeout: 180_000,
  }, async () => {
    const attacker = await openAttacker({ understandsRefusals: true })
    for (const [rule, edit] of Object.values(attacks)) {
      const count = attacker.statuses.length
      attacker.send(forge(attacker.ydoc, nextClient(), edit))
      await attacker.answered(count + 1)
      expect(attacker.statuses.at(-1)).toBe(false)
      expect(attacker.refusals).toHaveLength(count + 1)
      expect(attacker.refusals.at(-1)?.rule).toContain(rule)
      expect(attacker.refusals.at(-1)?.reason.length).toBeLessThan(1_000)
    }
    await attacker.sync()
    expect(jsonOf(attacker.ydoc)).toBe(untouched)
    attacker.destroy()
    await expectUntouched()
  })
})

describe('[promise 3] a change that no honest client of Yjs makes is refused', () => {
  test('structs that are garbage from the start', async () => {
    const attacker = await openAttacker()
    attacker.send(rawUpdate(nextClient(), 0, [(encoder) => encoding.writeUint8Array(encoder, Uint8Array.of(0, 3))]))
    await expectRefused(attacker, 'chat/shape')
    await expectUntouched()
  })

  test('a message of 20,000 keys', async () => {
    const attacker = await openAttacker({ understandsRefusals: true })
    const keys = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`key ${index}`, index]))
    attacker.send(
      forge(
        attacker.ydoc,
        nextClient(),
        pushes(() => keys),
      ),
    )
    await attacker.answered(1)
    expect(attacker.refusals).toMatchObject([{ rule: 'chat/message-shape' }])
    expect(attacker.refusals[0]?.reason.length).toBeLessThan(1_000)
    attacker.destroy()
    await expectUntouched()
  })

  test('a struct of an unknown kind', async () => {
    const attacker = await openAttacker()
    attacker.send(rawUpdate(nextClient(), 0, [(encoder) => encoding.writeUint8Array(encoder, Uint8Array.of(31, 1, 1))]))
    await expectRefused(attacker, '', CloseCode.Malformed)
    await expectUntouched()
  })

  test('values nested so deep that reading them fails', async () => {
    const attacker = await openAttacker()
    const copy = copyOf(attacker.ydoc)
    const update = forge(
      copy,
      nextClient(),
      pushes(() => ({ text: 'x'.repeat(5_000) })),
    )
    const start = Buffer.from(update).indexOf('xxxx')
    // 117 starts an array in lib0's encoding: 2,500 of them, each in the other.
    for (let index = 0; index < 5_000; index += 2) update.set([117, 1], start + index)
    attacker.send(update)
    expect([CloseCode.Malformed, CloseCode.Forbidden]).toContain((await attacker.closed).code)
    await expectUntouched()
  })

  test('a message under another user’s client id', async () => {
    const attacker = await openAttacker()
    attacker.send(
      forge(
        attacker.ydoc,
        bobsClient,
        pushes(() => ({})),
      ),
    )
    await expectRefused(attacker, 'another user', CloseCode.ClientIdTaken)
    await expectUntouched()
  })

  test('a stamp under the server’s client id', async () => {
    const attacker = await openAttacker()
    const { client } = itemOf(at(attacker.ydoc, byBob), 'seq').id
    attacker.send(forge(attacker.ydoc, client, edits(byBob, { seq: 7 })))
    await expectRefused(attacker, 'another user', CloseCode.ClientIdTaken)
    await expectUntouched()
  })

  test('also with a token that may relay others’ edits', async () => {
    const attacker = await openAttacker({ token: tokenFor('mallory', { relay: true }) })
    attacker.send(
      forge(
        attacker.ydoc,
        bobsClient,
        pushes(() => ({ author: 'bob' })),
      ),
    )
    await expectRefused(attacker, 'another user', CloseCode.ClientIdTaken)
    await expectUntouched()
  })

  test('a gap for another to fill', async () => {
    const attacker = await openAttacker()
    attacker.answer(Y.encodeStateAsUpdate(attacker.ydoc))
    await attacker.answered(1)
    const [, later] = twoMessages(attacker.ydoc)
    attacker.send(later)
    await expectRefused(attacker, 'document/gap')
    await expectUntouched()
  })

  test('a gap before the first sync, which waits for that and is not kept', async () => {
    const attacker = await openAttacker()
    const client = nextClient()
    const [first, later] = twoMessages(attacker.ydoc, client)
    attacker.send(later)
    await attacker.sync()
    await expectUntouched()
    // Nobody else can fill it.
    const other = await openAttacker({ user: 'eve' })
    other.send(first)
    await expectRefused(other, 'chat/foreign-author')
    attacker.answer(later)
    await expectRefused(attacker, 'document/gap')
    await expectUntouched()
  })

  test('a gap of deletions', async () => {
    const attacker = await openAttacker()
    attacker.answer(Y.encodeStateAsUpdate(attacker.ydoc))
    await attacker.answered(1)
    const clock = Y.getState(attacker.ydoc.store, bobsClient)
    // No structs, one client with one deletion of what bob writes next.
    attacker.send(
      encoding.encode((encoder) => {
        for (const number of [0, 1, bobsClient, 1, clock, 10]) encoding.writeVarUint(encoder, number)
      }),
    )
    await expectRefused(attacker, 'document/gap')
    await expectUntouched()
  })

  function twoMessages(base: Y.Doc, client = nextClient()): [Uint8Array, Uint8Array] {
    const copy = copyOf(base)
    copy.clientID = client
    const updates: Uint8Array[] = []
    copy.on('update', (update: Uint8Array) => updates.push(update))
    messagesOf(copy).push([message({ text: 'one' })])
    messagesOf(copy).push([message({ text: 'two' })])
    const [one, two] = updates
    if (one === undefined || two === undefined) throw new Error('no updates')
    return [one, two]
  }
})

describe('[promise 3] the head of a room', () => {
  const aCall: NewCall = { from: 'ann', to: ['bob'], media: 'audio', device: 'd1' }
  const headAttacks: Record<string, [rule: string, edit: Edit]> = {
    'a read mark for another': ['chat/foreign-read-mark', (head) => readsOf(head).set('ann', 4)],
    'another’s read mark as it is': ['chat/foreign-read-mark', (head) => readsOf(head).set('ann', 3)],
    'removing another’s read mark': ['chat/foreign-read-mark', (head) => readsOf(head).delete('ann')],
    'a read mark that moves back': ['chat/read-mark-backwards', (head) => readsOf(head).set('mallory', 4)],
    'removing one’s own read mark': ['chat/read-mark-shape', (head) => readsOf(head).delete('mallory')],
    'a read mark that is no number': [
      'chat/read-mark-shape',
      (head) => (readsOf(head) as Y.Map<unknown>).set('mallory', 'all'),
    ],
    'a read mark that is no whole number': ['chat/read-mark-shape', (head) => readsOf(head).set('mallory', 6.5)],
    'a type as read mark': [
      'chat/read-mark-shape',
      (head) => (readsOf(head) as Y.Map<unknown>).set('mallory', new Y.Map()),
    ],
    'a type hidden behind a good read mark': [
      'chat/',
      (head) => {
        head.gc = false
        const reads = readsOf(head) as Y.Map<unknown>
        reads.set('mallory', new Y.Text('hidden'))
        reads.set('mallory', 6)
      },
    ],
    'a read mark that moves back by way of good ones': [
      'chat/read-mark-backwards',
      (head) => {
        readsOf(head).set('mallory', 6)
        readsOf(head).set('mallory', 4)
      },
    ],
    'a read mark for nobody': ['chat/foreign-read-mark', (head) => readsOf(head).set('__proto__', 9)],
    'which segment is open': ['chat/server-field', (head) => head.getMap('room').set('segment', 2)],
    'which segment is open, as it is': ['chat/server-field', (head) => head.getMap('room').set('segment', 1)],
    'another field of the room': ['chat/server-field', (head) => head.getMap('room').set('topic', 'mine')],
    'a call in another’s name': ['call/foreign-caller', (head) => startCall(head, aCall)],
    'a call that is answered already': [
      'call/shape',
      (head) => {
        startCall(head, { ...aCall, from: 'mallory' })
        callsOf(head).get(0).set('state', 'answered')
      },
    ],
    'answering one’s own call': [
      'call/not-called',
      (head) => {
        startCall(head, { ...aCall, from: 'mallory' })
        actInCall(callsOf(head).get(0), 'answer', 'mallory', 'd1')
      },
    ],
    'messages in the head': ['chat/server-field', (head) => messagesOf(head).push([message()])],
    'a good read mark and a forged one': [
      'chat/foreign-read-mark',
      (head) => {
        readsOf(head).set('mallory', 6)
        readsOf(head).set('bob', 6)
      },
    ],
  }

  for (const [title, [rule, edit]] of Object.entries(headAttacks)) {
    test(`is refused: ${title}`, async () => {
      const attacker = await openAttacker({}, room)
      attacker.send(forge(attacker.ydoc, nextClient(), edit))
      await expectRefused(attacker, rule)
      await expectUntouched()
    })
  }
})

describe('[promise 3] access to rooms', () => {
  const read = () => tokenFor('mallory', { access: { '**': 'read' } })

  test('whoever may only read is told that a message is not stored', async () => {
    const reader = await openAttacker({ token: read() })
    reader.send(
      forge(
        reader.ydoc,
        nextClient(),
        pushes(() => ({})),
      ),
    )
    await reader.answered(1)
    expect(reader.statuses).toEqual([false])
    await reader.sync()
    expect(jsonOf(reader.ydoc)).toBe(untouched)
    reader.destroy()
    await expectUntouched()
  })

  const denied: Record<string, [reason: string, name: string]> = {
    'the direct chat of two others': ['access/no-grant', 'dm/ann,bob'],
    'a part of it': ['access/no-grant', 'dm/ann,bob@1'],
    'a direct chat whose name is not sorted': ['document/bad-name', 'dm/mallory,ann'],
    'a direct chat whose name is not encoded as it must be': ['document/bad-name', 'dm/%61nn,mallory'],
    'a direct chat of three': ['document/bad-name', 'dm/ann,bob,mallory'],
    'a chat beside the direct chat of two others': ['document/bad-name', 'chat/dm/ann,bob'],
    'a room whose head is another room’s segment': ['document/bad-name', `${segment}@1`],
    'a room without a name': ['document/bad-name', 'chat'],
    'a segment that is not there yet': ['chat/no-such-segment', `${room}@2`],
    'a segment far away': ['chat/no-such-segment', `${room}@999999999`],
  }

  for (const [title, [reason, name]] of Object.entries(denied)) {
    test(`is denied: ${title}`, async () => {
      await expect(openFrameSocket(server, name)).rejects.toThrow(`denied: ${reason}`)
      await expectUntouched()
    })
  }

  test('is denied: the chat beside a document that the token does not grant', async () => {
    const token = tokenFor('mallory', { access: { 'notes/*': 'moderate', hold: 'read' } })
    await expect(openFrameSocket(server, 'chat/secret/plan', { token })).rejects.toThrow('denied: access/no-grant')
    const reader = await openAttacker({ token })
    reader.send(
      forge(
        reader.ydoc,
        nextClient(),
        pushes(() => ({})),
      ),
    )
    await reader.answered(1)
    expect(reader.statuses).toEqual([false])
    reader.destroy()
  })
})

describe('[promise 3] what the rules allow', () => {
  const name = 'chat/allowed@1'
  const commenter = () => tokenFor('carl', { access: { allowed: 'comment' } })
  const moderator = () => tokenFor('mod', { access: { allowed: 'moderate' } })

  test('a `comment` user posts, edits, reacts and deletes', async () => {
    const carl = await ChatPeer.open(server, name, { token: commenter() })
    carl.edit((ydoc) => sendMessage(ydoc, 'carl', { text: '😀'.repeat(4_000) }))
    carl.edit((ydoc) => editMessage(at(ydoc, 0), 'better'))
    carl.edit((ydoc) => setReaction(at(ydoc, 0), '👩‍🚀', 'carl', true))
    carl.edit((ydoc) => setReaction(at(ydoc, 0), '1️⃣', 'carl', true))
    carl.edit((ydoc) => setReaction(at(ydoc, 0), '🇩🇪', 'carl', true))
    carl.edit((ydoc) => setReaction(at(ydoc, 0), '🇩🇪', 'carl', false))
    carl.edit((ydoc) => sendMessage(ydoc, 'carl', { text: 'second' }))
    carl.edit((ydoc) => deleteMessage(at(ydoc, 1)))
    await carl.answered(8)
    expect(carl.statuses).not.toContain(false)
    const fresh = await ChatPeer.open(server, name, { token: moderator() })
    expect(messagesOf(fresh.ydoc).toJSON()).toMatchObject([
      { text: 'better', reactions: { '👩‍🚀 carl': expect.any(Number), '1️⃣ carl': expect.any(Number) } },
      { text: '', deletedAt: expect.any(Number) },
    ])
    carl.destroy()
    fresh.destroy()
  })

  test('a moderator deletes others’ messages, also deleted ones, and edits none', async () => {
    const mod = await ChatPeer.open(server, name, { token: moderator() })
    mod.send(forge(mod.ydoc, nextClient(), edits(0, { text: 'censored', editedAt: 1 })))
    await expectRefused(mod, 'chat/foreign-message')

    const again = await ChatPeer.open(server, name, { token: moderator() })
    again.edit((ydoc) => deleteMessage(at(ydoc, 0)))
    again.edit((ydoc) => deleteMessage(at(ydoc, 1)))
    await again.answered(2)
    expect(again.statuses).toEqual([true, true])
    const carl = await ChatPeer.open(server, name, { token: commenter() })
    expect(messagesOf(carl.ydoc).toJSON()).toMatchObject([{ text: '', author: 'carl' }, { text: '' }])
    carl.edit((ydoc) => editMessage(at(ydoc, 0), 'I insist'))
    await expectRefused(carl, 'chat/deleted-message')
    again.destroy()
  })

  test('members talk directly, whatever their grants', async () => {
    const token = (user: string) => tokenFor(user, { access: {} })
    const ann = await ChatPeer.open(server, 'dm/ann,bob@1', { token: token('ann') })
    ann.edit((ydoc) => sendMessage(ydoc, 'ann', { text: 'hello bob' }))
    await ann.answered(1)
    const bob = await ChatPeer.open(server, 'dm/ann,bob@1', { token: token('bob') })
    expect(messagesOf(bob.ydoc).toJSON()).toMatchObject([{ author: 'ann', text: 'hello bob' }])
    ann.destroy()
    bob.destroy()
  })

  test('tabs of one user that mark as read at the same time: the later mark holds, whichever wins in Yjs', async () => {
    const [low, high] = [nextClient(), nextClient()]
    for (const [index, [first, second]] of [[low, high] as const, [high, low] as const].entries()) {
      const head = `chat/tabs-${index}`
      const tab = await ChatPeer.open(server, head, { user: 'ann' })
      await tab.until(() => tab.ydoc.getMap('room').has('segment'))
      const behind = forge(tab.ydoc, second, (ydoc) => readsOf(ydoc).set('ann', 5))
      tab.send(forge(tab.ydoc, first, (ydoc) => readsOf(ydoc).set('ann', 10)))
      tab.send(behind)
      await tab.answered(2)
      expect(tab.statuses).toEqual([true, true])
      const other = await ChatPeer.open(server, head, { user: 'bob' })
      await other.until(() => readsOf(other.ydoc).get('ann') === 10)
      tab.destroy()
      other.destroy()
    }
  })

  test('somebody who was refused goes on with a new Y.Doc on the same socket', async () => {
    const peer = await ChatPeer.open(server, name, { user: 'dora', understandsRefusals: true })
    peer.send(
      forge(
        peer.ydoc,
        nextClient(),
        pushes(() => ({ author: 'ann' })),
      ),
    )
    await peer.answered(1)
    peer.edit((ydoc) => sendMessage(ydoc, 'dora', { text: 'in my own name' }))
    await peer.answered(2)
    expect(peer.statuses).toEqual([false, true])
    peer.destroy()
  })
})

describe('[promise 3] structs that the server has already', () => {
  test('come to nobody with other contents', async () => {
    const name = 'chat/repeated@1'
    const bob = await ChatPeer.open(server, name, { user: 'bob' })
    bob.edit((ydoc) => sendMessage(ydoc, 'bob', { text: 'by bob' }))
    await bob.answered(1)
    // Somebody who may get updates before the first sync.
    const newcomer = await FrameSocket.open(server)
    newcomer.send(authMessage(name, tokenFor('nina')))
    await newcomer.message((bytes) => bytes.length > 1)
    const mallory = await openAttacker({}, name)
    const forged = forge(new Y.Doc(), bob.ydoc.clientID, (ydoc) => sendMessage(ydoc, 'bob', { text: 'forged' }))
    const honest = forge(mallory.ydoc, nextClient(), (ydoc) => sendMessage(ydoc, 'mallory', { text: 'by mallory' }))
    mallory.send(Y.mergeUpdates([forged, honest]))
    await mallory.answered(1)
    expect(mallory.statuses).toEqual([true])

    const shown = await newcomer.message((bytes) => syncPayload(bytes, SyncType.Update) !== undefined)
    for (const bytes of newcomer.messages.slice(0, newcomer.messages.indexOf(shown) + 1)) {
      const update = syncPayload(bytes, SyncType.Update)
      if (update !== undefined) expect(JSON.stringify(Y.decodeUpdate(update).structs)).not.toContain('forged')
    }
    const fresh = await ChatPeer.open(server, name, { user: 'carol' })
    expect(messagesOf(fresh.ydoc).map((item) => item.get('text'))).toEqual(['by bob', 'by mallory'])
    for (const peer of [bob, mallory, fresh, newcomer]) peer.destroy()
  })
})

describe('[promise 3] segments', () => {
  const full = 'chat/full'

  test('a full one takes no messages, the next one none of its ids, and raising the limit opens neither', async () => {
    let small = await startServer({ environment: { CHAT_SEGMENT_MESSAGES: '3' } })
    const head = await ChatPeer.open(small, full, { user: 'ann' })
    const ann = await ChatPeer.open(small, `${full}@1`, { user: 'ann' })
    const id = newMessageId()
    ann.edit((ydoc) => sendMessage(ydoc, 'ann', { text: 'one' }, id))
    await expect(openFrameSocket(small, `${full}@2`)).rejects.toThrow('denied: chat/no-such-segment')
    for (const text of ['two', 'three']) ann.edit((ydoc) => sendMessage(ydoc, 'ann', { text }))
    await head.until(() => head.ydoc.getMap('room').get('segment') === 2)
    await ann.sync()
    const before = jsonOf(ann.ydoc)

    const late = await ChatPeer.open(small, `${full}@1`, { user: 'mallory' })
    late.edit((ydoc) => sendMessage(ydoc, 'mallory', { text: 'four' }))
    await expectRefused(late, 'chat/segment-closed')
    const next = await ChatPeer.open(small, `${full}@2`, { user: 'ann' })
    next.edit((ydoc) => sendMessage(ydoc, 'ann', { text: 'again' }, id))
    await expectRefused(next, 'chat/duplicate-id')
    await ann.sync()
    expect(jsonOf(ann.ydoc)).toBe(before)
    expect(await small.stop()).toBe(0)

    small = await startServer({ folder: small.folder, environment: { CHAT_SEGMENT_MESSAGES: '10' } })
    const again = await ChatPeer.open(small, `${full}@1`, { user: 'mallory' })
    expect(jsonOf(again.ydoc)).toBe(before)
    again.edit((ydoc) => sendMessage(ydoc, 'mallory', { text: 'four' }))
    await expectRefused(again, 'chat/segment-closed')
    const open = await ChatPeer.open(small, `${full}@2`, { user: 'mallory' })
    open.edit((ydoc) => sendMessage(ydoc, 'mallory', { text: 'four' }))
    await open.until(() => messagesOf(open.ydoc).get(0)?.get('seq') === 4)
    const editor = await ChatPeer.open(small, `${full}@1`, { user: 'ann' })
    editor.edit((ydoc) => editMessage(at(ydoc, 0), 'one, edited'))
    editor.edit((ydoc) => setReaction(at(ydoc, 1), '👍', 'ann', true))
    await editor.answered(2)
    expect(editor.statuses).toEqual([true, true])
    expect(await small.stop()).toBe(0)
  })

  test('are not overfilled by one update', async () => {
    const small = await startServer({ environment: { CHAT_SEGMENT_MESSAGES: '3' } })
    const mallory = await ChatPeer.open(small, `${full}@1`, { user: 'mallory' })
    mallory.send(
      forge(mallory.ydoc, nextClient(), (ydoc) => {
        for (let index = 0; index < 4; index += 1) sendMessage(ydoc, 'mallory', { text: 'x' })
      }),
    )
    await expectRefused(mallory, 'chat/segment-closed')
    expect(await small.stop()).toBe(0)
  })
})

test('[promise 3] after all that the room is untouched, also after a stop, a crash and in the log', async () => {
  for (const end of ['stop', 'kill'] as const) {
    await server[end]()
    server = await server.restart()
    const [fresh, head] = await Promise.all([
      ChatPeer.open(server, segment, { user: 'carol' }),
      ChatPeer.open(server, room, { user: 'carol' }),
    ])
    expect(jsonOf(fresh.ydoc)).toBe(untouched)
    expect(jsonOf(head.ydoc)).toBe(untouchedHead)
    fresh.destroy()
    head.destroy()
  }
  await server.stop()
  const replayed = await replayFromLog(server.folder, [segment, room])
  expect(jsonOf(replayed[segment])).toBe(untouched)
  expect(jsonOf(replayed[room])).toBe(untouchedHead)
  server = await server.restart()
})
