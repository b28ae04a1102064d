import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Chat } from '../../client/api.ts'
import { openChat } from '../../client/chat/open-chat.ts'
import type { ChatMessage } from '../../model/chat.ts'
import { until, whenReady } from '../support/chat-state.ts'
import { CountedDocuments } from '../support/counted-documents.ts'
import { createRandom, isSoak, type Random, seedsFor } from '../support/random.ts'
import { startServer, type TestServer } from '../support/server.ts'

const PER_SEGMENT = 7
const STEPS = isSoak ? 2_000 : 150

class Writer {
  readonly user: string
  readonly documents: CountedDocuments
  readonly chat: Chat
  /** Id → the text it should have in the end; empty for a deleted one. */
  readonly wanted = new Map<string, string>()
  readonly stop: () => void

  static async join(server: TestServer, room: string, user: string): Promise<Writer> {
    return new Writer(await CountedDocuments.of(server, user), room, user)
  }

  private constructor(documents: CountedDocuments, room: string, user: string) {
    this.user = user
    this.documents = documents
    this.chat = openChat(this.documents, room)
    this.stop = this.chat.state.subscribe(() => {})
  }

  toggle(): void {
    const { cable } = this.documents
    if (cable.isCut) cable.mend()
    else cable.cut()
  }

  /** Waits until the connection is there again, if it can be. */
  async backOnline(): Promise<void> {
    if (!this.documents.cable.isCut) await whenReady(this.chat)
  }

  send(text: string): void {
    this.wanted.set(this.chat.send({ text }), text)
  }

  edit(random: Random, text: string): void {
    const id = this.#own(random)
    if (id === undefined || this.wanted.get(id) === '') return
    this.chat.edit(id, text)
    this.wanted.set(id, text)
  }

  delete(random: Random): void {
    const id = this.#own(random)
    // What was not sent yet would be gone without a trace.
    if (id === undefined || this.#seqOf(id) === undefined) return
    this.chat.delete(id)
    this.wanted.set(id, '')
  }

  react(random: Random): void {
    const { messages } = this.chat.state.get()
    const stored = messages.filter(({ seq }) => seq !== undefined)
    if (stored.length > 0) this.chat.react(random.pick(stored).id, random.pick(['👍', '🎉']), random.chance(0.7))
  }

  #own(random: Random): string | undefined {
    const here = this.chat.state.get().messages.filter(({ author }) => author === this.user)
    return here.length === 0 ? undefined : random.pick(here).id
  }

  #seqOf(id: string): number | undefined {
    return this.chat.state.get().messages.find((message) => message.id === id)?.seq
  }
}

test.each(seedsFor([1], 1))(
  '[promise 2] rooms converge, with every message once, while people come and go (rerun with SEED=%i)',
  { timeout: 120_000 },
  async (seed) => {
    const random = createRandom(seed)
    const server = await startServer({ environment: { CHAT_SEGMENT_MESSAGES: String(PER_SEGMENT) } })
    const writers = await Promise.all(['ann', 'ben', 'cem'].map((user) => Writer.join(server, 'chat/team', user)))
    for (let step = 0; step < STEPS; step++) {
      const writer = random.pick(writers)
      const act = random.int(20)
      if (act < 2) writer.toggle()
      else if (act < 9) writer.send(`${writer.user} ${step}`)
      else if (act < 12) writer.edit(random, `${writer.user} ${step}, edited`)
      else if (act < 13) writer.delete(random)
      else if (act < 17) writer.react(random)
      else if (act < 18 && random.chance(0.2)) await writer.backOnline()
      else for (let turn = random.int(30); turn > 0; turn--) await setImmediate()
    }
    for (const writer of writers) writer.documents.cable.mend()
    const wanted = new Map(writers.flatMap((writer) => [...writer.wanted]))
    const views = await Promise.all(writers.map(({ chat }) => settled(chat, wanted)))
    const archive = await archived(writers[0]?.documents ?? expect.unreachable(), 'chat/team')
    expect(archive.map(({ seq }) => seq)).toEqual(Array.from(archive, (_, index) => index + 1))
    expect(new Map(archive.map(({ id, text }) => [id, text]))).toEqual(wanted)
    // Each of them has as many parts open as they happened to load.
    for (const messages of views) expect(messages).toEqual(archive.slice(-messages.length))
    for (const { user, chat, wanted } of writers) {
      expect(chat.state.get().problems).toEqual({})
      expect(archive.filter(({ author }) => author === user).map(({ id }) => id)).toEqual([...wanted.keys()])
    }
    for (const { chat, documents, stop } of writers) {
      stop()
      chat.destroy()
      expect(documents.count).toBe(0)
      documents.close()
    }
    expect(await server.stop()).toBe(0)
    console.log(`SEED=${seed}: ${wanted.size} messages`)
  },
)

/** Resolves with the room's messages once the server has all of `wanted`, as they should be. */
async function settled(chat: Chat, wanted: ReadonlyMap<string, string>) {
  const { messages } = await until(
    chat,
    ({ messages }) =>
      messages.at(-1)?.seq === wanted.size &&
      messages.every(({ id, seq, text }) => seq !== undefined && text === wanted.get(id)),
  )
  return messages
}

/** All messages of a room, as the server has them. */
async function archived(documents: CountedDocuments, room: string): Promise<ChatMessage[]> {
  const messages: ChatMessage[] = []
  for (let next: number | undefined = Number.MAX_SAFE_INTEGER; next !== undefined; ) {
    const response = await documents.fetch(`/api/rooms/${encodeURIComponent(room)}/messages?before=${next}`)
    const page: { messages: ChatMessage[]; next?: number } = await response.json()
    messages.unshift(...page.messages)
    next = page.next
  }
  return messages
}
