import * as Y from 'yjs'
import { type ChatMessage, inOrder, messagesOf, newMessageId, openSegmentOf, sendMessage } from '../../model/chat.ts'
import { decodeRefusal, UNDERSTANDS_REFUSALS } from '../../model/refusals.ts'
import { segmentName } from '../../model/rooms.ts'
import { type Client, openClient } from './clients.ts'
import type { TestServer } from './server.ts'

interface OpenSegment {
  readonly number: number
  ydoc: Y.Doc
  client: Client | undefined
  /** Whether it has what the server had once. */
  isLoaded: boolean
}

/**
 * Somebody who chats with stock providers, online or offline: writes into the segment that is open as far as they
 * know, and moves messages that came too late for it, ids unchanged, to the next one.
 */
export class ChatMember {
  readonly user: string
  /** Ids of the messages written, in their order. */
  readonly written: string[] = []
  /** How often messages had to be moved. */
  moves = 0
  readonly #server: Pick<TestServer, 'socketUrl'>
  readonly #room: string
  readonly #head = new Y.Doc()
  readonly #segments = new Map<number, OpenSegment>()
  readonly #texts = new Map<string, string>()
  readonly #listeners = new Set<() => void>()
  #headClient: Client | undefined
  #isScheduled = false

  constructor(server: Pick<TestServer, 'socketUrl'>, room: string, user: string) {
    this.#server = server
    this.#room = room
    this.user = user
    this.#head.on('update', this.#changed)
    this.connect()
  }

  get isOnline(): boolean {
    return this.#headClient !== undefined
  }

  connect(): void {
    this.#headClient ??= openClient(this.#server, this.#room, { user: this.user, ydoc: this.#head })
    for (const segment of this.#segments.values()) this.#connect(segment)
  }

  disconnect(): void {
    this.#headClient?.destroy()
    this.#headClient = undefined
    for (const segment of this.#segments.values()) disconnect(segment)
  }

  write(text: string, id = newMessageId()): void {
    this.written.push(id)
    this.#texts.set(id, text)
    this.#send()
  }

  /** All messages of the room that are here, in their order. */
  get messages(): ChatMessage[] {
    return inOrder([...this.#segments.values()].flatMap(({ ydoc }) => messagesOf(ydoc).toJSON() as ChatMessage[]))
  }

  get segments(): number {
    return this.#segments.size
  }

  /** Resolves once `condition` holds, looked at after each change of what is here. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (!condition()) return
        this.#listeners.delete(check)
        resolve()
      }
      this.#listeners.add(check)
      check()
    })
  }

  readonly #changed = (): void => {
    if (this.#isScheduled) return
    this.#isScheduled = true
    queueMicrotask(() => {
      this.#isScheduled = false
      this.#open()
      this.#send()
      for (const check of [...this.#listeners]) check()
    })
  }

  /** Opens the segments that there are. */
  #open(): void {
    for (let number = 1; number <= (openSegmentOf(this.#head) ?? 0); number += 1) {
      if (this.#segments.has(number)) continue
      const segment: OpenSegment = { number, ydoc: new Y.Doc(), client: undefined, isLoaded: false }
      this.#segments.set(number, segment)
      segment.ydoc.on('update', this.#changed)
      if (this.isOnline) this.#connect(segment)
    }
  }

  /** Writes what is in no segment yet into the open one, unless something before it may still have to be moved. */
  #send(): void {
    const segments = [...this.#segments.values()]
    const open = segments.at(-1)
    if (open === undefined || !segments.every(({ isLoaded }) => isLoaded)) return
    if (segments.slice(0, -1).some(({ ydoc }) => this.#waitingIn(ydoc))) return
    const here = new Set(segments.flatMap(({ ydoc }) => messagesOf(ydoc).map((message) => message.get('id'))))
    for (const id of this.written) {
      if (!here.has(id)) sendMessage(open.ydoc, this.user, { text: this.#texts.get(id) ?? '' }, id)
    }
  }

  #waitingIn(ydoc: Y.Doc): boolean {
    return messagesOf(ydoc)
      .toArray()
      .some((message) => message.get('author') === this.user && !message.has('seq'))
  }

  #connect(segment: OpenSegment): void {
    if (segment.client !== undefined) return
    const { ydoc, number } = segment
    const client = openClient(this.#server, segmentName(this.#room, number), { user: this.user, ydoc })
    segment.client = client
    client.provider.on('authenticated', () => client.provider.sendStateless(UNDERSTANDS_REFUSALS))
    client.provider.on('synced', () => {
      segment.isLoaded = true
      this.#changed()
    })
    client.provider.on('stateless', ({ payload }: { payload: string }) => {
      // Refusals of what was sent after the first refused message follow it: the document is a new one by then.
      if (decodeRefusal(payload) !== undefined && segment.ydoc === ydoc) this.#startOver(segment)
    })
  }

  /** Takes the segment as the server has it: what was refused is still in `written`. */
  #startOver(segment: OpenSegment): void {
    this.moves += 1
    disconnect(segment)
    segment.ydoc.destroy()
    segment.ydoc = new Y.Doc()
    segment.ydoc.on('update', this.#changed)
    segment.isLoaded = false
    if (this.isOnline) this.#connect(segment)
  }
}

function disconnect(segment: OpenSegment): void {
  segment.client?.destroy()
  segment.client = undefined
}
