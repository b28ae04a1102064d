import { afterEach, expect, test } from 'vitest'
import { type ChatMessage, messagesOf } from '../../model/chat.ts'
import { segmentName } from '../../model/rooms.ts'
import { ChatMember } from '../support/chat-member.ts'
import { createRandom, seedsFor } from '../support/random.ts'
import { replayFromLog } from '../support/replay.ts'
import { startServer, type TestServer, temporaryFolder, tokenFor } from '../support/server.ts'

/** Several processes on one database, as several instances are. */
let servers: TestServer[] = []

afterEach(async () => {
  await Promise.all(servers.map((server) => server.kill()))
  servers = []
})

async function start(count: number, perSegment: number): Promise<TestServer[]> {
  const folder = temporaryFolder()
  for (let started = 0; started < count; started += 1) {
    servers.push(await startServer({ folder, environment: { CHAT_SEGMENT_MESSAGES: String(perSegment) } }))
  }
  return servers
}

function urlOf(server: TestServer, room: string): string {
  return `${server.url}/api/rooms/${encodeURIComponent(room)}/messages`
}

async function post(server: TestServer, room: string, user: string, message: object): Promise<ChatMessage> {
  for (;;) {
    const response = await fetch(urlOf(server, room), {
      method: 'POST',
      headers: { authorization: `Bearer ${tokenFor(user)}`, 'content-type': 'application/json' },
      body: JSON.stringify(message),
    })
    // The part of the room that this instance took for the open one is full: it says "again".
    if (response.status === 503) continue
    expect([200, 201]).toContain(response.status)
    return (await response.json()) as ChatMessage
  }
}

async function archiveOf(server: TestServer, room: string): Promise<ChatMessage[]> {
  const found: ChatMessage[] = []
  for (let before: number | undefined = Number.MAX_SAFE_INTEGER; before !== undefined; ) {
    const response = await fetch(`${urlOf(server, room)}?limit=100&before=${before}`, {
      headers: { authorization: `Bearer ${tokenFor('ann')}` },
    })
    const page = (await response.json()) as { messages: ChatMessage[]; next?: number }
    found.unshift(...page.messages)
    before = page.next
  }
  return found
}

/** All messages of a room, as the documents in the log have them. */
async function storedIn(server: TestServer, room: string, segments: number): Promise<ChatMessage[]> {
  const names = upTo(segments).map((number) => segmentName(room, number))
  const documents = Object.values(await replayFromLog(server.folder, names))
  return documents.flatMap((document) => messagesOf(document).toJSON() as ChatMessage[])
}

function seqs(messages: readonly ChatMessage[]): (number | undefined)[] {
  return messages.map(({ seq }) => seq)
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

test('[promise 2] messages posted to two instances at once have each a place of their own, without a gap', async () => {
  const instances = await start(2, 20)
  const room = 'chat/both'
  const posted = await Promise.all(
    instances.flatMap((server, nth) =>
      upTo(6).map(async (writer) => {
        const messages: ChatMessage[] = []
        for (const count of upTo(10)) {
          messages.push(await post(server, room, `user ${nth}`, { text: `${nth} ${writer} ${count}` }))
        }
        return messages
      }),
    ),
  )
  const all = posted.flat()
  expect(seqs(all).toSorted((one, other) => Number(one) - Number(other))).toEqual(upTo(120))
  for (const server of instances) {
    const archived = await archiveOf(server, room)
    expect(seqs(archived)).toEqual(upTo(120))
    expect(new Set(archived.map(({ text }) => text)).size).toBe(120)
  }
  for (const server of instances) expect(await server.stop()).toBe(0)
  const stored = await storedIn(instances[0] ?? expect.fail(), room, 8)
  expect(stored.map(({ seq }) => seq).toSorted((one, other) => Number(one) - Number(other))).toEqual(upTo(120))
})

test('[promise 2] a message posted to two instances at once, for want of an answer, is there once', async () => {
  const instances = await start(2, 500)
  const room = 'chat/once'
  const ids = upTo(30).map((count) => `01990000-0000-7000-8000-${String(count).padStart(12, '0')}`)
  const answers = await Promise.all(
    ids.flatMap((id) => instances.map((server) => post(server, room, 'ann', { id, text: id }))),
  )
  expect(new Set(answers.map(({ id, seq }) => `${id} ${seq}`)).size).toBe(30)
  const [one = expect.fail()] = instances
  expect(seqs(await archiveOf(one, room))).toEqual(upTo(30))
  for (const server of instances) expect(await server.stop()).toBe(0)
  expect(new Set((await storedIn(one, room, 1)).map(({ id }) => id)).size).toBe(30)
  expect(await storedIn(one, room, 1)).toHaveLength(30)
})

test.each(seedsFor([1], 1))(
  '[promise 2] members on three instances, one of them killed, see the same room (rerun with SEED=%i)',
  async (seed) => {
    const random = createRandom(seed)
    const instances = await start(3, 20)
    const room = 'chat/three'
    const members = instances.map((server, nth) => new ChatMember(server, room, `user ${nth}`))
    const total = 150
    const killed = random.int(3)
    for (let written = 1; written <= total; written += 1) {
      random.pick(members).write(`${written}`)
      if (random.chance(0.3)) await new Promise((resolve) => setTimeout(resolve, random.int(30)))
      if (written === total / 2) {
        await instances[killed]?.kill()
        servers[killed] = (await instances[killed]?.restart()) ?? expect.fail()
      }
    }
    const isWhole = ({ messages }: ChatMember) =>
      messages.length === total && messages.every(({ seq }, index) => seq === index + 1)
    await Promise.all(members.map((member) => member.until(() => isWhole(member))))
    const [expected, ...others] = members.map(({ messages }) => messages)
    for (const messages of others) expect(messages).toEqual(expected)
    expect(await archiveOf(servers[0] ?? expect.fail(), room)).toEqual(expected)
    for (const member of members) member.disconnect()
  },
  60_000,
)
