import { expect, test } from 'vitest'
import * as Y from 'yjs'
import {
  type ChatMessage,
  deleteMessage,
  editMessage,
  messagesOf,
  newMessageId,
  reactionKey,
  readsOf,
  sendMessage,
  setReaction,
} from '../../model/chat.ts'
import { forge, insertItem } from '../support/chat-forgery.ts'
import { ChatPeer } from '../support/chat-peer.ts'
import { createRandom, isSoak, type Random, seedsFor } from '../support/random.ts'
import { replayFromLog } from '../support/replay.ts'
import { startServer, type TestServer } from '../support/server.ts'

const room = 'chat/crowd'
const segment = `${room}@1`
const HONEST = ['ann', 'bob', 'cleo']
const HOSTILE = ['mallory', 'eve']
const STEPS = isSoak ? 20_000 : 1_000
const EMOJI = ['👍', '❤️', '🎉']
const KEYS = [
  'id',
  'author',
  'at',
  'text',
  'attachments',
  'editedAt',
  'deletedAt',
  'reactions',
  'seq',
  'receivedAt',
  'x',
]

/** What must be of an honest message in the end. */
interface Expected {
  readonly author: string
  text: string
  isDeleted: boolean
  readonly reactions: Set<string>
}

/** Somebody honest, with what they did. */
class Honest {
  readonly user: string
  readonly #peer: ChatPeer
  readonly #expected: Map<string, Expected>
  #mark = 0
  readonly head: ChatPeer

  constructor(user: string, peer: ChatPeer, head: ChatPeer, expected: Map<string, Expected>) {
    this.user = user
    this.#peer = peer
    this.head = head
    this.#expected = expected
  }

  async act(random: Random): Promise<void> {
    const own = messagesOf(this.#peer.ydoc)
      .toArray()
      .filter((message) => message.get('author') === this.user && !message.has('deletedAt'))
    const dice = random.int(100)
    if (dice < 35 || own.length === 0) this.#send(random)
    else if (dice < 55) this.#edit(random.pick(own), random)
    else if (dice < 62) this.#delete(random.pick(own))
    else if (dice < 80) this.#react(random)
    else if (dice < 88) this.#read(random)
    else await this.settle()
  }

  /** Everything that it did is stored, and everybody's is here. */
  async settle(): Promise<void> {
    await Promise.all([this.#peer.sync(), this.head.sync()])
  }

  /** How many updates were refused; an honest client's never are. */
  get refused(): number {
    return [...this.#peer.statuses, ...this.head.statuses].filter((stored) => !stored).length
  }

  get messages(): ChatMessage[] {
    return messagesOf(this.#peer.ydoc).toJSON() as ChatMessage[]
  }

  get mark(): number {
    return this.#mark
  }

  #send(random: Random): void {
    const id = newMessageId()
    const text = `by ${this.user}: ${random.int(1_000_000)}`
    this.#expected.set(id, { author: this.user, text, isDeleted: false, reactions: new Set() })
    this.#peer.edit((ydoc) => sendMessage(ydoc, this.user, { text }, id))
  }

  #edit(message: Y.Map<unknown>, random: Random): void {
    const text = `by ${this.user}, edited: ${random.int(1_000_000)}`
    this.#of(message).text = text
    this.#peer.edit(() => editMessage(message, text))
  }

  #delete(message: Y.Map<unknown>): void {
    Object.assign(this.#of(message), { text: '', isDeleted: true })
    this.#peer.edit(() => deleteMessage(message))
  }

  #react(random: Random): void {
    const honest = messagesOf(this.#peer.ydoc)
      .toArray()
      .filter((message) => this.#expected.has(String(message.get('id'))))
    if (honest.length === 0) return
    const message = random.pick(honest)
    const { reactions } = this.#of(message)
    const key = reactionKey(random.pick(EMOJI), this.user)
    const isOn = !reactions.has(key)
    if (isOn) reactions.add(key)
    else reactions.delete(key)
    this.#peer.edit(() => setReaction(message, key.split(' ')[0] ?? '', this.user, isOn))
  }

  #read(random: Random): void {
    this.#mark += random.int(5)
    this.head.edit((head) => readsOf(head).set(this.user, this.#mark))
  }

  #of(message: Y.Map<unknown>): Expected {
    const expected = this.#expected.get(String(message.get('id')))
    if (expected === undefined) throw new Error('not an honest message')
    return expected
  }
}

/** Somebody hostile: sends what it should not, each time as a new Yjs client. */
class Hostile {
  readonly user: string
  accepted = 0
  refused = 0
  readonly #server: TestServer
  readonly #firstClient: number
  #clients = 0
  #peer: ChatPeer | undefined
  #head: ChatPeer | undefined

  constructor(user: string, server: TestServer, firstClient: number) {
    this.user = user
    this.#server = server
    this.#firstClient = firstClient
  }

  async act(random: Random): Promise<void> {
    this.#peer ??= await this.#open(segment)
    this.#head ??= await this.#open(room)
    const peer = random.chance(0.9) ? this.#peer : this.#head
    if (random.chance(0.2)) await peer.sync()
    const count = peer.statuses.length
    const update = this.#forge(peer.ydoc, random)
    if (update === undefined) return
    if (random.chance(0.2)) peer.answer(update)
    else peer.send(update)
    try {
      await peer.answered(count + 1)
      if (peer.statuses.at(-1)) this.accepted += 1
      else this.refused += 1
    } catch {
      // Cut off, for another's client id or for bytes that can't be read.
      this.refused += 1
      peer.destroy()
      if (peer === this.#peer) this.#peer = undefined
      else this.#head = undefined
    }
  }

  async #open(name: string): Promise<ChatPeer> {
    const peer = await ChatPeer.open(this.#server, name, { user: this.user, understandsRefusals: true })
    // So that nothing is kept for a first sync.
    peer.answer(Y.encodeStateAsUpdate(new Y.Doc()))
    await peer.answered(1)
    return peer
  }

  /** Undefined when chance made something that Yjs itself can't do. */
  #forge(base: Y.Doc, random: Random): Uint8Array | undefined {
    this.#clients += 1
    const stolen = random.chance(0.05) ? random.pick([...base.store.clients.keys(), 1]) : undefined
    try {
      const update = forge(base, stolen ?? this.#firstClient + this.#clients, (ydoc) => {
        if (random.chance(0.3)) ydoc.gc = false
        // Some good ones around it.
        if (random.chance(0.3)) sendMessage(ydoc, this.user, { text: 'good' })
        for (let count = random.int(3); count > 0; count -= 1) this.#strike(ydoc, random)
        if (random.chance(0.3)) sendMessage(ydoc, this.user, { text: 'good' })
      })
      if (random.chance(0.1)) update[random.int(update.length)] = random.int(256)
      return update
    } catch {
      return undefined
    }
  }

  #strike(ydoc: Y.Doc, random: Random): void {
    const messages = messagesOf(ydoc)
    if (messages.length === 0) sendMessage(ydoc, this.user, { text: 'the first' })
    const message = messages.get(random.int(messages.length))
    random.pick<() => unknown>([
      () => sendMessage(ydoc, random.pick([...HONEST, this.user]), { text: 'forged' }),
      () => sendMessage(ydoc, this.user, { text: 'mine' }, String(message.get('id'))),
      () => editMessage(message, 'forged'),
      () => deleteMessage(message),
      () => message.set(random.pick(KEYS), valueFor(random)),
      () => message.set(random.pick(KEYS), message.get(random.pick(KEYS))),
      () => message.delete(random.pick(KEYS)),
      () => messages.delete(random.int(messages.length)),
      () => messages.insert(random.int(messages.length), [new Y.Map(Object.entries(message.toJSON()))]),
      () => setReaction(message, random.pick(EMOJI), random.pick([...HONEST, this.user]), random.chance(0.5)),
      () => readsOf(ydoc).set(random.pick([...HONEST, this.user]), random.int(1000)),
      () => ydoc.getMap('room').set('segment', random.int(9)),
      () => placeAnywhere(ydoc, random),
      () => placeAnywhere(ydoc, random),
      () => deleteAnything(ydoc, random),
    ])()
  }
}

function valueFor(random: Random): unknown {
  return random.pick([1, '', 'forged', 'ann', null, Date.now(), [], {}, new Y.Map(), new Y.Text('x'), Uint8Array.of(1)])
}

/** A struct in any place, with any neighbours and any content. */
function placeAnywhere(ydoc: Y.Doc, random: Random): void {
  const items = itemsOf(ydoc)
  const message = random.pick(messagesOf(ydoc).toArray())
  const parents = [messagesOf(ydoc), message, message, message.get('reactions'), ydoc.getMap('room'), readsOf(ydoc)]
  const near = items.filter((item) => item.parent === message)
  const neighbour = () => random.pick([null, null, random.pick(items), random.pick(near.length > 0 ? near : items)])
  const content = random.pick([
    new Y.ContentAny([valueFor(random) instanceof Y.AbstractType ? 1 : 'forged']),
    new Y.ContentAny([1]),
    new Y.ContentAny([Date.now()]),
    new Y.ContentAny(['one', 'two']),
    new Y.ContentDeleted(1 + random.int(2)),
    new Y.ContentString('forged'),
    new Y.ContentBinary(Uint8Array.of(1)),
    new Y.ContentType(new Y.Map()),
    new Y.ContentType(new Y.XmlHook('x')),
    new Y.ContentType(new Y.Array()),
    new Y.ContentDoc(new Y.Doc()),
  ])
  const key = random.chance(0.15) ? null : random.pick([...KEYS, `👍 ${random.pick(HONEST)}`, random.pick(HONEST)])
  insertItem(ydoc, random.pick(parents) ?? message, { key, left: neighbour(), right: neighbour() }, content)
}

function deleteAnything(ydoc: Y.Doc, random: Random): void {
  const item = random.pick(itemsOf(ydoc))
  ydoc.transact((transaction) => item.delete(transaction))
}

function itemsOf(ydoc: Y.Doc): Y.Item[] {
  return [...ydoc.store.clients.values()].flat().filter((struct) => struct instanceof Y.Item)
}

test.each(seedsFor([1], 1))(
  '[promise 3] among hostile clients, every message stays its author’s own (rerun with SEED=%i)',
  { timeout: isSoak ? 3_600_000 : 300_000 },
  async (seed) => {
    const random = createRandom(seed)
    const server = await startServer({ environment: { CHAT_SEGMENT_MESSAGES: '1000000' } })
    const expected = new Map<string, Expected>()
    const honest = await Promise.all(
      HONEST.map(async (user, index) => {
        const ydoc = new Y.Doc()
        ydoc.clientID = 1_000 * (index + 1)
        const head = new Y.Doc()
        head.clientID = ydoc.clientID + 1
        const [peer, headPeer] = await Promise.all([
          ChatPeer.open(server, segment, { user, ydoc }),
          ChatPeer.open(server, room, { user, ydoc: head }),
        ])
        return new Honest(user, peer, headPeer, expected)
      }),
    )
    // Client ids on both sides of the honest ones', since Yjs breaks ties by them.
    const hostile = HOSTILE.map((user, index) => new Hostile(user, server, index === 0 ? 10 * STEPS : 10))

    for (let step = 0; step < STEPS; step += 1) {
      if (random.chance(0.4)) await random.pick(honest).act(random)
      else await random.pick(hostile).act(random)
    }
    for (const peer of honest) await peer.settle()
    const [one] = honest
    if (one === undefined) throw new Error('nobody is honest')
    for (const peer of honest) {
      await peer.settle()
      expect(peer.refused).toBe(0)
      expect(peer.messages).toEqual(one.messages)
      expect(readsOf(one.head.ydoc).get(peer.user) ?? 0).toBe(peer.mark)
    }

    expectTheirOwn(one.messages, expected)
    await server.stop()
    const replayed = await replayFromLog(server.folder, [segment])
    expectTheirOwn(messagesOf(replayed[segment]).toJSON() as ChatMessage[], expected)
    const [accepted, refused] = [hostile.map((peer) => peer.accepted), hostile.map((peer) => peer.refused)]
    console.log(
      `SEED=${seed}: ${expected.size} honest messages, hostile updates: ${accepted} taken, ${refused} refused`,
    )
    expect(Math.min(...accepted)).toBeGreaterThan(0)
    expect(Math.min(...refused)).toBeGreaterThan(STEPS / 10)
  },
)

function expectTheirOwn(messages: readonly ChatMessage[], expected: ReadonlyMap<string, Expected>): void {
  const ids = messages.map((message) => message.id)
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids).toEqual(expect.arrayContaining([...expected.keys()]))
  const seqs = messages.map((message) => message.seq ?? 0).sort((left, right) => left - right)
  expect(seqs).toEqual(Array.from(messages, (_, index) => index + 1))
  for (const message of messages) {
    const { id, author, text, deletedAt, reactions = {} } = message
    for (const key of Object.keys(message)) expect([...KEYS.slice(0, -1)]).toContain(key)
    const honest = expected.get(id)
    if (honest === undefined) {
      expect(HOSTILE).toContain(author)
      for (const key of Object.keys(reactions)) expect(HOSTILE).toContain(key.split(' ')[1])
      continue
    }
    const byHonest = Object.keys(reactions).filter((key) => !HOSTILE.includes(key.split(' ')[1] ?? ''))
    expect({ author, text, isDeleted: deletedAt !== undefined, reactions: new Set(byHonest) }).toEqual(honest)
  }
}
