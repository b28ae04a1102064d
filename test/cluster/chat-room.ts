import { isDeepStrictEqual } from 'node:util'
import type * as Y from 'yjs'
import type { Chat, Session } from '../../client/index.ts'
import { type ChatMessage, inOrder, messagesOf, openSegmentOf } from '../../model/chat.ts'
import { segmentName } from '../../model/rooms.ts'
import type { Cable } from '../support/cable.ts'
import { ChatMember } from '../support/chat-member.ts'
import type { Instance } from '../support/instances.ts'
import type { Random } from '../support/random.ts'
import { RawClient } from '../support/raw-client.ts'
import { tokenFor } from '../support/server.ts'

interface Sent {
  readonly author: string
  text: string
}

/** A chat room with people who write: some through the client library, some with stock providers. */
export class ChatRoom {
  readonly name: string
  readonly problems: string[] = []
  readonly #chats = new Map<string, Chat>()
  readonly #members: ChatMember[] = []
  readonly #sent = new Map<string, Sent>()
  /** seq → id, as anybody first saw it. */
  readonly #seen = new Map<number, string>()

  constructor(name: string) {
    this.name = name
  }

  get counts(): { messages: number; seen: number } {
    return { messages: this.#sent.size, seen: this.#seen.size }
  }

  join(user: string, session: Session): void {
    const chat = session.chat(this.name)
    chat.state.subscribe(() => this.#note(user, chat.state.get().messages))
    this.#chats.set(user, chat)
  }

  joinStock(user: string, way: Cable): void {
    this.#members.push(new ChatMember(way, this.name, user))
  }

  /** Somebody sends a message, or edits or likes one. */
  act(random: Random): void {
    if (random.chance(0.4)) {
      const member = random.pick(this.#members)
      const before = member.written.length
      const text = `${member.user} says ${before}`
      member.write(text)
      const [id] = member.written.slice(before)
      if (id !== undefined) this.#sent.set(id, { author: member.user, text })
      return
    }
    const [user, chat] = random.pick([...this.#chats])
    const stored = chat.state.get().messages.filter(({ seq }) => seq !== undefined)
    const own = stored.filter(({ author }) => author === user)
    if (own.length > 0 && random.chance(0.2)) this.#edit(chat, random.pick(own))
    else if (stored.length > 0 && random.chance(0.2)) chat.react(random.pick(stored).id, '👍', random.chance(0.7))
    else {
      const text = `${user} says ${this.#sent.size}`
      this.#sent.set(chat.send({ text }), { author: user, text })
    }
  }

  /** Why not everything is stored and everywhere, as far as those who write know; undefined once it is. */
  unsettled(): string | undefined {
    for (const [user, chat] of this.#chats) {
      const { messages, problems } = chat.state.get()
      const [problem] = Object.entries(problems).map(([id, problem]) => `${id} was refused: ${problem}`)
      const missing = problem ?? this.#incomplete(messages)
      if (missing !== undefined) return `${user}: ${missing}`
    }
    const behind = this.#members.find(({ messages }) => messages.length < this.#sent.size)
    return behind && `${behind.user}: ${behind.messages.length} of ${this.#sent.size} messages`
  }

  /** What is wrong with the room as an instance has it: its archive, and its documents beside that. */
  async judge({ name, server }: Instance): Promise<string[]> {
    const archive = await archiveOf(server.url, this.name)
    const written = await documentsOf(server, this.name)
    const problems = archive.flatMap((message, index) => this.#problemsOf(message, index + 1))
    for (const [id, { author, text }] of this.#sent) {
      const times = archive.filter((message) => message.id === id).length
      if (times !== 1) problems.push(`"${text}" of ${author} (${id}) is there ${times} times`)
    }
    for (const [seq, id] of this.#seen) {
      const there = archive[seq - 1]?.id
      if (there !== id) problems.push(`${seq} was seen as ${id}, and is ${there}`)
    }
    if (!isDeepStrictEqual(written, archive)) {
      const index = archive.findIndex((message, at) => !isDeepStrictEqual(message, written[at]))
      const [stored, shown] = [archive[index], written[index]].map((message) => JSON.stringify(message))
      problems.push(
        `the archive (${archive.length}) and the documents (${written.length}) differ: ${stored} / ${shown}`,
      )
    }
    return problems.map((problem) => `${name}, ${this.name}: ${problem}`)
  }

  close(): void {
    for (const member of this.#members) member.disconnect()
    for (const chat of this.#chats.values()) chat.destroy()
  }

  #edit(chat: Chat, { id }: ChatMessage): void {
    const sent = this.#sent.get(id)
    if (sent === undefined) return
    sent.text = `${sent.text}!`
    chat.edit(id, sent.text)
  }

  #note(user: string, messages: readonly ChatMessage[]): void {
    for (const { id, seq } of messages) {
      if (seq === undefined) continue
      const before = this.#seen.get(seq)
      if (before === undefined) this.#seen.set(seq, id)
      else if (before !== id) this.problems.push(`${user}, ${this.name}: ${seq} was ${before}, and is ${id} now`)
    }
  }

  #incomplete(messages: readonly ChatMessage[]): string | undefined {
    const last = messages.at(-1)?.seq
    if (this.#sent.size > 0 && last !== this.#sent.size) return `the last seq is ${last} of ${this.#sent.size}`
    const wrong = messages.find(({ id, text }) => text !== this.#sent.get(id)?.text)
    return wrong && `${wrong.id} is "${wrong.text}" instead of "${this.#sent.get(wrong.id)?.text}"`
  }

  #problemsOf({ id, seq, text, author }: ChatMessage, place: number): string[] {
    const sent = this.#sent.get(id)
    return [
      ...(seq === place ? [] : [`the message in place ${place} has seq ${seq}`]),
      ...(sent === undefined ? [`nobody sent ${id}, "${text}" of ${author}`] : []),
      ...(sent !== undefined && (sent.text !== text || sent.author !== author)
        ? [`${id} is "${text}" of ${author} instead of "${sent.text}" of ${sent.author}`]
        : []),
    ]
  }
}

/** All messages of a room, as the HTTP API gives them. */
async function archiveOf(url: string, room: string): Promise<ChatMessage[]> {
  const messages: ChatMessage[] = []
  for (let before: number | undefined = Number.MAX_SAFE_INTEGER; before !== undefined; ) {
    const response = await fetch(`${url}/api/rooms/${encodeURIComponent(room)}/messages?before=${before}`, {
      headers: { authorization: `Bearer ${tokenFor('reader')}` },
    })
    if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
    const page: { messages: ChatMessage[]; next?: number } = await response.json()
    messages.unshift(...page.messages)
    before = page.next
  }
  return messages
}

/** The same out of the room's documents, as a client that never held anything gets them. */
async function documentsOf(server: { readonly socketUrl: string }, room: string): Promise<ChatMessage[]> {
  const read = async <T>(document: string, take: (ydoc: Y.Doc) => T) => {
    const client = await RawClient.open(server, document, { user: 'reader' })
    await client.close()
    return take(client.ydoc)
  }
  const messages: ChatMessage[] = []
  const segments = (await read(room, openSegmentOf)) ?? 0
  for (let segment = 1; segment <= segments; segment += 1) {
    messages.push(...(await read(segmentName(room, segment), (ydoc) => messagesOf(ydoc).toJSON())))
  }
  return inOrder(messages)
}
