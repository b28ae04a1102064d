import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type ChatMessage, inOrder, messagesOf, sendMessage } from '../../model/chat.ts'
import { segmentName } from '../../model/rooms.ts'
import { preloading } from '../fault/preload/preload.ts'
import { ChatMember } from '../support/chat-member.ts'
import { ChatPeer } from '../support/chat-peer.ts'
import { createRandom, isSoak, type Random, seedsFor } from '../support/random.ts'
import { replayFromLog } from '../support/replay.ts'
import { startServer, type TestServer } from '../support/server.ts'

const room = 'chat/team'
const USERS = ['ann', 'bob', 'cleo', 'dan', 'eve']

interface Course {
  readonly messages: number
  readonly perSegment: number
  /** How often, about, the server is killed. */
  readonly kills: number
}

/** Five members write and come and go, until `messages` are written and stamped. */
async function chat(random: Random, { messages, perSegment, kills }: Course): Promise<void> {
  let server = await startServer({ environment: { CHAT_SEGMENT_MESSAGES: String(perSegment) } })
  const members = USERS.map((user) => new ChatMember(server, room, user))
  let [written, killed] = [0, 0]
  while (written < messages) {
    const member = random.pick(members)
    if (random.chance(0.1)) {
      if (member.isOnline) member.disconnect()
      else member.connect()
    }
    for (let count = 1 + random.int(4); count > 0 && written < messages; count -= 1) {
      written += 1
      member.write(`${written}`)
    }
    // Now and then somebody waits for the server, so that it keeps up.
    if (member.isOnline && random.chance(0.1)) {
      const last = member.written.at(-1)
      await member.until(() => member.messages.some(({ id, seq }) => id === last && seq !== undefined))
    } else await setImmediate()
    if (killed < kills && random.chance((3 * kills) / messages)) {
      killed += 1
      await server.kill()
      server = await server.restart()
    }
  }
  for (const member of members) member.connect()
  await Promise.all(members.map((member) => member.until(() => areStamped(member.messages, messages))))

  const [expected = [], ...others] = members.map((member) => member.messages)
  for (const actual of others) expect(actual).toEqual(expected)
  expectOneOfEach(expected, members)
  const [one] = members
  const segments = Array.from({ length: one?.segments ?? 0 }, (_, index) => segmentName(room, index + 1))
  expect(segments.length).toBeGreaterThanOrEqual(Math.floor(messages / perSegment))
  for (const member of members) member.disconnect()
  expect(await server.stop()).toBe(0)
  expect(await storedMessages(server, segments)).toEqual(expected)
  const moves = members.reduce((sum, member) => sum + member.moves, 0)
  console.log(`SEED=${random.seed}: ${messages} messages, ${segments.length} segments, ${killed} kills, ${moves} moves`)
}

function areStamped(messages: readonly ChatMessage[], count: number): boolean {
  return messages.length === count && messages.every(({ seq }) => seq !== undefined)
}

/** Each message that was written is there once, numbered without a gap, each author's in their order. */
function expectOneOfEach(messages: readonly ChatMessage[], members: readonly ChatMember[]): void {
  expect(messages.map(({ seq }) => seq)).toEqual(Array.from(messages, (_, index) => index + 1))
  for (const { user, written } of members) {
    expect(messages.filter(({ author }) => author === user).map(({ id }) => id)).toEqual(written)
  }
}

async function storedMessages({ folder }: TestServer, segments: readonly string[]): Promise<ChatMessage[]> {
  const documents = Object.values(await replayFromLog(folder, segments))
  return inOrder(documents.flatMap((ydoc) => messagesOf(ydoc).toJSON() as ChatMessage[]))
}

const many = isSoak ? 2_000 : 300
const timeout = isSoak ? 1_200_000 : 300_000

test.each(seedsFor([1], 1))(
  '[promise 2] five members, offline at random, see every message once and in one order (rerun with SEED=%i)',
  { timeout },
  async (seed) => chat(createRandom(seed), { messages: many, perSegment: 1_000_000, kills: 0 }),
)

test.each(seedsFor([1], 1))(
  '[promise 2] also over many segments, with messages that come too late for theirs (rerun with SEED=%i)',
  { timeout },
  async (seed) => chat(createRandom(seed), { messages: many, perSegment: 40, kills: 0 }),
)

test.each(seedsFor([1], 1))(
  '[promise 2] also with a server that is killed at random moments (rerun with SEED=%i)',
  { timeout },
  async (seed) => chat(createRandom(seed), { messages: many, perSegment: 40, kills: isSoak ? 20 : 3 }),
)

test('[promise 2] a server killed between taking and stamping messages stamps them when it is back', async () => {
  // Stamps wait for a commit of their own, and that takes a while.
  const environment = preloading(['slow-commits'], { SLOW_COMMIT_MS: '200', CHAT_SEGMENT_MESSAGES: '4' })
  let server = await startServer({ environment })
  const head = await ChatPeer.open(server, room, { user: 'ann' })
  await head.until(() => head.ydoc.getMap('room').has('segment'))
  head.destroy()
  let unstamped = 0
  for (let round = 1; round <= (isSoak ? 30 : 3); round += 1) {
    const name = segmentName(room, Math.ceil(round / 2))
    const ann = await ChatPeer.open(server, name, { user: 'ann' })
    ann.edit((ydoc) => sendMessage(ydoc, 'ann', { text: `${2 * round - 1}` }))
    ann.edit((ydoc) => sendMessage(ydoc, 'ann', { text: `${2 * round}` }))
    await ann.answered(2)
    const last = messagesOf(ann.ydoc).get(messagesOf(ann.ydoc).length - 1)
    if (last?.has('seq') === false) unstamped += 1
    await server.kill()
    server = await server.restart()
    const bob = await ChatPeer.open(server, name, { user: 'bob' })
    await bob.until(() =>
      messagesOf(bob.ydoc)
        .map((message) => message.has('seq'))
        .every(Boolean),
    )
    const first = 4 * (Math.ceil(round / 2) - 1)
    expect(messagesOf(bob.ydoc).map((message) => [message.get('seq'), message.get('text')])).toEqual(
      Array.from({ length: round % 2 === 0 ? 4 : 2 }, (_, index) => [first + index + 1, `${first + index + 1}`]),
    )
    if (round % 2 === 0) {
      const told = await ChatPeer.open(server, room, { user: 'bob' })
      await told.until(() => told.ydoc.getMap('room').get('segment') === round / 2 + 1)
      told.destroy()
    }
    bob.destroy()
  }
  expect(unstamped).toBeGreaterThan(0)
  expect(await server.stop()).toBe(0)
})
